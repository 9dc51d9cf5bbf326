"""What training must know of the pixels it is shown: their mean, and the axes along which colours vary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadDatasetError

STATISTICS_FILE: Final = "statistics.npz"

# Sums of this many products of two bytes are exact in float32: 258 · 255² < 2²⁴.
_EXACT_PRODUCTS: Final = 258


class PixelSums:
    """Sums over photos of S×S pixels, in integers: exact, whatever the order they are added in."""

    def __init__(self, image_size: int) -> None:
        self.count = 0
        self._pixels = np.zeros((image_size, image_size, 3), np.int64)
        self._products = np.zeros((3, 3), np.int64)

    def add(self, photo: NDArray[np.uint8]) -> None:
        """Adds one photo, uint8 [S, S, 3]."""
        self.count += 1
        self._pixels += photo
        planes = np.ascontiguousarray(np.moveaxis(photo, 2, 0), dtype=np.float32)
        for start in range(0, photo.shape[1], _EXACT_PRODUCTS):
            strip = planes[:, :, start : start + _EXACT_PRODUCTS]
            self._products += np.vecdot(strip[:, None], strip[None, :]).astype(np.int64).sum(axis=-1)

    def merge(self, other: PixelSums) -> None:
        self.count += other.count
        self._pixels += other._pixels
        self._products += other._products

    def statistics(self) -> Statistics:
        """The statistics of all photos added, of which there must be one at least."""
        num_pixels = self.count * self._pixels.shape[0] * self._pixels.shape[1]
        # Python's integers: with a million photos these products do not fit into 64 bits.
        sums = [int(total) for total in self._pixels.sum(axis=(0, 1))]
        products = self._products.tolist()
        covariance = np.array(
            [
                [(num_pixels * products[a][b] - sums[a] * sums[b]) / num_pixels**2 for b in range(3)]
                for a in range(3)
            ]
        )
        eigenvalues, eigenvectors = np.linalg.eigh(covariance)
        eigenvectors = eigenvectors[:, ::-1]
        # An eigenvector's sign is arbitrary; this choice makes it the same everywhere.
        largest = eigenvectors[np.abs(eigenvectors).argmax(axis=0), np.arange(3)]
        return Statistics(
            mean_image=(self._pixels / self.count).astype(np.float32),
            channel_mean=np.array([total / num_pixels for total in sums]),
            channel_covariance=covariance,
            pca_eigenvalues=eigenvalues[::-1].clip(min=0),
            pca_eigenvectors=eigenvectors * np.sign(largest),
            count=self.count,
        )


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
        path = Path(dataset_dir) / STATISTICS_FILE
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in cls.__dataclass_fields__}
        # A damaged archive shows itself as any of zipfile's, zlib's and NumPy's errors.
        except Exception as error:
            raise BadDatasetError(f"{path} cannot be read: {error}") from error
        return cls(**(arrays | {"count": int(arrays["count"])}))
