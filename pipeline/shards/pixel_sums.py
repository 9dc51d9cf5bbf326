"""What statistics are made of: sums over the pixels of photos, in integers."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.shards.statistics import Statistics, read_arrays

# Sums of this many bytes fit into 16 bits: 257 · 255 = 2¹⁶ - 1.
_PHOTOS_IN_16_BITS: Final = 257


class PixelSums:
    """Sums over photos of S×S pixels, in integers: exact, whatever the order they are added in."""

    def __init__(self, image_size: int) -> None:
        shape = (image_size, image_size, 3)
        self.count = 0
        self._pixels = np.zeros(shape, np.int64)
        self._products = np.zeros((3, 3), np.int64)
        # The photos added last: a quarter of the memory traffic that 64 bits make.
        self._latest = np.zeros(shape, np.uint16)
        self._num_latest = 0

    def add(self, photo: NDArray[np.uint8], products: NDArray[np.int64]) -> None:
        """Adds one photo, uint8 [S, S, 3], and its `channel_products`, int64 [3, 3]."""
        self.count += 1
        self._latest += photo
        self._num_latest += 1
        if self._num_latest == _PHOTOS_IN_16_BITS:
            self._fold()
        self._products += products

    def merge(self, other: PixelSums) -> None:
        self.count += other.count
        self._pixels += other._pixels
        self._pixels += other._latest
        self._products += other._products

    def save(self, path: Path) -> None:
        """Writes an .npz file, the same bytes for the same sums."""
        self._fold()
        with path.open("wb") as file:
            np.savez(file, count=self.count, pixels=self._pixels, products=self._products)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises `BadDatasetError` when it is missing or damaged."""
        stored = read_arrays(path, ("count", "pixels", "products"))
        sums = cls(len(stored["pixels"]))
        sums.count, sums._pixels, sums._products = int(stored["count"]), stored["pixels"], stored["products"]
        return sums

    def _fold(self) -> None:
        self._pixels += self._latest
        self._latest.fill(0)
        self._num_latest = 0

    def statistics(self) -> Statistics:
        """The statistics of all photos added, of which there must be one at least."""
        self._fold()
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
