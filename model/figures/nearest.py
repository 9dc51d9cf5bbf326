"""Which of many photos are nearest to a few, by the distance between their embeddings (P §6).

Shapes: Q queries, N photos at a time, F features of an embedding, S the side photos are stored at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Neighbour(NamedTuple):
    """A photo, uint8 [S, S, 3] RGB, and its L2 distance from a query."""

    distance: float
    sample_id: int
    label: int
    photo: NDArray[np.uint8]


class NearestPhotos:
    """The `count` photos nearest to each query among all that were added, in whatever order.

    `queries_QF` are float32 [Q, F]. Exact: no photo is passed over. Of equally distant ones those with the
    least sample id count as nearer. Holds no more photos than it answers with.
    """

    def __init__(self, queries_QF: NDArray[np.float32], count: int) -> None:
        self._queries = queries_QF
        self._count = count
        self._found: list[list[Neighbour]] = [[] for _ in queries_QF]

    def add(
        self,
        embeddings_NF: NDArray[np.float32],
        sample_ids_N: NDArray[np.int64],
        labels_N: NDArray[np.int64],
        photos_NSS3: NDArray[np.uint8],
    ) -> None:
        for number, query_F in enumerate(self._queries):
            # Differences, not the faster products: those cancel where the distances are small.
            distances_N = np.linalg.norm((embeddings_NF - query_F).astype(np.float64), axis=1)
            nearest = np.lexsort((sample_ids_N, distances_N))[: self._count].tolist()
            candidates = [
                Neighbour(
                    float(distances_N[place]),
                    int(sample_ids_N[place]),
                    int(labels_N[place]),
                    photos_NSS3[place].copy(),
                )
                for place in nearest
            ]
            merged = sorted(self._found[number] + candidates, key=lambda found: found[:2])
            self._found[number] = merged[: self._count]

    @property
    def neighbours(self) -> list[list[Neighbour]]:
        """Of each query, nearest first."""
        return self._found
