"""What training must know of the pixels it is shown: their mean, and the axes along which colours vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadDatasetError

STATISTICS_FILE: Final = "statistics.npz"


@dataclass(frozen=True)
class Statistics:
    """Statistics of a training split, RGB on the 0–255 scale, over the pixels before they were encoded.

    `mean_image` is float32 [S, S, 3]. The others are float64: `channel_mean` [3], `channel_covariance` [3, 3]
    over all pixels, `pca_eigenvalues` [3] descending, `pca_eigenvectors` [3, 3] in columns. `count` is the
    number of photos.
    """

    mean_image: NDArray[np.float32]
    channel_mean: NDArray[np.float64]
    channel_covariance: NDArray[np.float64]
    pca_eigenvalues: NDArray[np.float64]
    pca_eigenvectors: NDArray[np.float64]
    count: int

    def save(self, dataset_dir: Path) -> Path:
        """Writes statistics.npz, the same bytes for the same statistics, and gives its path."""
        path = dataset_dir / STATISTICS_FILE
        np.savez(path, **vars(self))
        return path

    @classmethod
    def load(cls, dataset_dir: Path) -> Self:
        """Reads a dataset's statistics.npz; raises `BadDatasetError` when it is missing or damaged."""
        arrays = read_arrays(Path(dataset_dir) / STATISTICS_FILE, tuple(cls.__dataclass_fields__))
        return cls(**(arrays | {"count": int(arrays["count"])}))


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Arrays of an .npz file by name; raises `BadDatasetError` when one is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    # A damaged archive shows itself as any of zipfile's, zlib's and NumPy's errors.
    except Exception as error:
        raise BadDatasetError(f"{path} cannot be read: {error}") from error
