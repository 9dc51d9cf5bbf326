"""Many files in one range of addresses."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# A page of FFCV's, so that every page of the range is one of a file; and so whole huge pages, which the
# kernel may then use.
ALIGNMENT_BYTES: Final = 8 * 2**20
_MAP_FIXED: Final = 0x10
_MAP_NORESERVE: Final = 0x4000
_FAILED: Final = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def placed(sizes: Sequence[int]) -> NDArray[np.uint64]:
    """Where files of these sizes begin when they are laid one behind the other, aligned: uint64 [files]."""
    strides = [-(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for size in sizes]
    return np.concatenate(([0], np.cumsum(strides)[:-1])).astype(np.uint64)


class AddressSpace:
    """Files mapped for reading into one reserved range, each where `placed` says; nothing is copied.

    `array` shows the range as uint8 [bytes]. Between the end of a file and the start of the next lies memory
    that must not be touched, and a file must not be cut short while it is mapped: the process would be
    killed. The range is given back when the last array over it is gone.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        sizes = [path.stat().st_size for path in paths]
        offsets = [int(offset) for offset in placed(sizes)]
        span = _Span(offsets[-1] + sizes[-1])
        for path, size, offset in zip(paths, sizes, offsets, strict=True):
            span.place(path, size, offset)
        self.array: NDArray[np.uint8] = np.asarray(span)


class _Span:
    """A reserved range of addresses. Every array over it keeps it alive."""

    def __init__(self, num_bytes: int) -> None:
        self._reserved_bytes = num_bytes + ALIGNMENT_BYTES
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        self._reserved = _map(None, self._reserved_bytes, 0, flags, -1)
        self._start = -(-self._reserved // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self._num_bytes = num_bytes

    def place(self, path: Path, size: int, offset: int) -> None:
        opened = os.open(path, os.O_RDONLY)
        try:
            _map(self._start + offset, size, mmap.PROT_READ, mmap.MAP_SHARED | _MAP_FIXED, opened)
        finally:
            os.close(opened)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        read_only = True
        return {"version": 3, "typestr": "|u1", "shape": (self._num_bytes,), "data": (self._start, read_only)}

    def __del__(self) -> None:
        _libc.munmap(self._reserved, self._reserved_bytes)


def _map(address: int | None, num_bytes: int, protection: int, flags: int, file: int) -> int:
    mapped = _libc.mmap(address, num_bytes, protection, flags, file, 0)
    if mapped == _FAILED:
        raise OSError(ctypes.get_errno(), f"mapping {num_bytes} bytes: {os.strerror(ctypes.get_errno())}")
    return int(mapped)
