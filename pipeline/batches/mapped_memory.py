"""The photos of a split in mapped shards: the operating system decides what stays in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.batches.address_space import AddressSpace
from pipeline.batches.reader import SplitReader
from pipeline.ffcv_import import ffcv_import

with ffcv_import():
    from ffcv.memory_managers import OSCacheManager
    from ffcv.memory_managers.os_cache import OSCacheContext


class MappedMemory(OSCacheManager):  # type: ignore[misc]
    """FFCV's reader of a mapped file, over all shards of a split.

    FFCV's own begins with dictionaries of all allocations, seconds of Python for a million samples, which
    only its quasi-random order needs.
    """

    def __init__(self, reader: SplitReader) -> None:
        self.ptrs, self.sizes = by_pointer(reader)
        self.context = OSCacheContext(self)
        self.context.mmap = AddressSpace(reader.paths).array

    def compile_reader(self) -> Any:
        # FFCV compiles as much for every process.
        return _photo


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _photo(pointer: np.uint64, state: Any) -> NDArray[np.uint8]:
    """The bytes of the photo at a pointer: uint8 [n]."""
    memory, pointers, sizes = state
    photo: NDArray[np.uint8] = memory[pointer : pointer + size_at(pointer, pointers, sizes)]
    return photo


def by_pointer(reader: SplitReader) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Pointers and sizes of a split's photos, ascending: FFCV looks a size up by bisection."""
    order = np.argsort(reader.pointers, kind="stable")
    return reader.pointers[order], reader.sizes[order]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def size_at(pointer: np.uint64, pointers: NDArray[np.uint64], sizes: NDArray[np.uint64]) -> np.uint64:
    """The size of what is stored at a pointer, one of `pointers`, which ascend."""
    low, high = 0, len(pointers)
    while low < high:
        middle = (low + high) // 2
        if pointers[middle] < pointer:
            low = middle + 1
        else:
            high = middle
    size: np.uint64 = sizes[low]
    return size
