"""The photos nearest to an embedding, found among all training photos by an index on disk (P §6).

<folder>/index.usearch     a graph of embeddings in half precision, read through memory mapping
<folder>/photos.npz        sample_ids and labels int64 [N], and where each thumbnail ends, int64 [N]
<folder>/thumbnails.bin    JPEG files, one after the other
<folder>/index.json        what the three are of, and their sizes

Shapes: N photos, B of them at a time, F features of an embedding.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from model.errors import BadIndexError
from model.published import what_is_wrong
from model.usearch_import import usearch_import

with usearch_import():
    from usearch.index import Index

DESCRIPTION_FILE: Final = "index.json"
_GRAPH_FILE: Final = "index.usearch"
_PHOTOS_FILE: Final = "photos.npz"
_THUMBNAILS_FILE: Final = "thumbnails.bin"

# Up to so many, all photos are compared; more are found by the graph, which may pass one over.
_COMPARED: Final = 50_000


class _Description(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    dataset_checksum: str
    num_photos: int
    features: int
    sizes_bytes: dict[str, int]


class Neighbour(NamedTuple):
    """A training photo, its L2 distance from what was asked about, and a JPEG of it."""

    sample_id: int
    label: int
    distance: float
    thumbnail: bytes


class PhotoIndex:
    """Raises BadIndexError for a folder that is none, or one that is not whole. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        _check(folder)
        self._graph = _opened(folder / _GRAPH_FILE)
        with np.load(folder / _PHOTOS_FILE) as photos:
            self._sample_ids_N, self._labels_N = photos["sample_ids"], photos["labels"]
            self._ends_N = photos["thumbnail_ends"]
        with (folder / _THUMBNAILS_FILE).open("rb") as file:
            self._thumbnails = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._sample_ids_N)

    def nearest(self, embedding_F: NDArray[np.float32], count: int) -> list[Neighbour]:
        """The `count` nearest photos, nearest first; all where there are fewer.

        Distances are those of the activations in half precision.
        """
        found = self._graph.search(embedding_F, min(count, len(self)), exact=len(self) <= _COMPARED)
        return [
            Neighbour(
                sample_id=int(self._sample_ids_N[place]),
                label=int(self._labels_N[place]),
                distance=float(squared) ** 0.5,
                thumbnail=self._thumbnail(place),
            )
            for place, squared in zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        ]

    def _thumbnail(self, place: int) -> bytes:
        begin = int(self._ends_N[place - 1]) if place else 0
        return self._thumbnails[begin : int(self._ends_N[place])]


class PhotoIndexWriter:
    """Makes an index in a folder that is seen only once it is whole: `finish` gives it its name.

    Left without `finish`, nothing remains.
    """

    def __init__(self, folder: Path, features: int, dataset_checksum: str) -> None:
        self._folder, self._aside = folder, folder.with_name(f".{folder.name}.{os.getpid()}")
        self._features, self._checksum = features, dataset_checksum
        self._graph = Index(ndim=features, metric="l2sq", dtype="f16")
        self._sample_ids: list[int] = []
        self._labels: list[int] = []
        self._ends: list[int] = []

    def __enter__(self) -> Self:
        # A writer before this one may have been killed.
        for left in self._folder.parent.glob(f".{self._folder.name}.*"):
            shutil.rmtree(left)
        self._aside.mkdir()
        self._thumbnails = (self._aside / _THUMBNAILS_FILE).open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thumbnails.close()
        shutil.rmtree(self._aside, ignore_errors=True)

    def add(
        self,
        embeddings_BF: NDArray[np.float32],
        sample_ids_B: NDArray[np.int64],
        labels_B: NDArray[np.int64],
        thumbnails: Sequence[bytes],
    ) -> None:
        places = np.arange(len(self._ends), len(self._ends) + len(thumbnails))
        # By one thread: several miss neighbours of each other's, other ones each time.
        self._graph.add(places, embeddings_BF, threads=1)
        self._sample_ids += sample_ids_B.tolist()
        self._labels += labels_B.tolist()
        for thumbnail in thumbnails:
            self._thumbnails.write(thumbnail)
            self._ends.append(self._thumbnails.tell())

    def finish(self) -> None:
        """Brings everything to the disk, and the folder to its name."""
        self._thumbnails.close()
        self._graph.save(self._aside / _GRAPH_FILE)
        np.savez(
            self._aside / _PHOTOS_FILE,
            sample_ids=np.array(self._sample_ids, dtype=np.int64),
            labels=np.array(self._labels, dtype=np.int64),
            thumbnail_ends=np.array(self._ends, dtype=np.int64),
        )
        files = (_GRAPH_FILE, _PHOTOS_FILE, _THUMBNAILS_FILE)
        description = _Description(
            dataset_checksum=self._checksum,
            num_photos=len(self._ends),
            features=self._features,
            sizes_bytes={name: (self._aside / name).stat().st_size for name in files},
        )
        (self._aside / DESCRIPTION_FILE).write_text(description.model_dump_json(indent=2) + "\n")
        for name in (*files, DESCRIPTION_FILE):
            with (self._aside / name).open("rb") as file:
                os.fsync(file.fileno())
        self._aside.rename(self._folder)


def _opened(path: Path) -> Index:
    try:
        graph = Index.restore(path, view=True)
    except (RuntimeError, ValueError) as error:
        raise BadIndexError(str(path), str(error)) from error
    assert graph is not None, "the file is there"
    return graph


def _check(folder: Path) -> None:
    try:
        description = _Description.model_validate_json((folder / DESCRIPTION_FILE).read_bytes())
    except FileNotFoundError as error:
        raise BadIndexError(str(folder), f"no index: {DESCRIPTION_FILE} is missing") from error
    except ValidationError as error:
        raise BadIndexError(str(folder), what_is_wrong(error)) from error
    for name, size in description.sizes_bytes.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise BadIndexError(str(path), f"is missing, or not of the {size} bytes that were written")
