"""Memory for batches, used again once nobody holds the batch."""

from __future__ import annotations

import errno
import math
import mmap
import weakref
from collections import deque

import numpy as np
import torch


class HostMemory:
    """Gives out tensors of up to `max_samples` samples, on the CPU, whose memory is used again.

    A tensor is its taker's for as long as it, or a view of it, is held; then its memory serves the next. What
    a fresh allocation of that size costs is the clearing of its pages, more than half as long as decoding
    into it takes. `pinned` memory is torch's own, which waits for copies to devices before it is used again.
    """

    def __init__(
        self, max_samples: int, sample_shape: tuple[int, ...], dtype: torch.dtype, *, pinned: bool = False
    ) -> None:
        self._max_samples = max_samples
        self._sample_shape = sample_shape
        self._dtype = dtype
        self._pinned = pinned
        self._num_bytes = max_samples * math.prod(sample_shape) * dtype.itemsize
        self._free: deque[mmap.mmap] = deque()

    def take(self, num_samples: int) -> torch.Tensor:
        """[num_samples, *sample_shape], with anything in it. Raises ValueError for more than there may be."""
        if num_samples > self._max_samples:
            raise ValueError(f"num_samples={num_samples} is more than max_samples={self._max_samples}")
        shape = (num_samples, *self._sample_shape)
        if self._pinned:
            return torch.empty(shape, dtype=self._dtype, pin_memory=True)
        try:
            memory = self._free.popleft()
        except IndexError:
            memory = _pages(self._num_bytes)
        held = np.frombuffer(memory, np.uint8)
        # The tensor holds this array, and so does every view of the tensor.
        weakref.finalize(held, self._free.append, memory).atexit = False
        count = math.prod(shape)
        return torch.from_numpy(held).view(self._dtype)[:count].view(shape)


def _pages(num_bytes: int) -> mmap.mmap:
    pages = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        pages.madvise(mmap.MADV_HUGEPAGE)
    except OSError as error:
        # A kernel without transparent huge pages does not know the advice, and small pages do as well.
        if error.errno != errno.EINVAL:
            raise
    return pages
