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

_ALIGNMENT: Final = 2 * 2**20  # a huge page, so that the kernel may use them
_MAP_FIXED: Final = 0x10
_MAP_NORESERVE: Final = 0x4000
_FAILED: Final = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class AddressSpace:
    """Files mapped for reading, one behind the other, into one reserved range; nothing is copied.

    `array` shows the range as uint8 [bytes]: file i begins at `offsets[i]`. Between the end of a file and
    the start of the next lies memory that must not be touched, and a file must not be cut short while it is
    mapped: the process would be killed. The range is given back when the last array over it is gone.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        sizes = [path.stat().st_size for path in paths]
        strides = [-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes]
        ends = np.cumsum(strides, dtype=np.uint64)
        self.offsets: NDArray[np.uint64] = ends - np.array(strides, dtype=np.uint64)
        span = _Span(int(ends[-1]))
        for path, size, offset in zip(paths, sizes, self.offsets, strict=True):
            span.place(path, size, int(offset))
        self.array: NDArray[np.uint8] = np.asarray(span)


class _Span:
    """A reserved range of addresses. Every array over it keeps it alive."""

    def __init__(self, num_bytes: int) -> None:
        self._reserved_bytes = num_bytes + _ALIGNMENT
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        self._reserved = _map(None, self._reserved_bytes, 0, flags, -1)
        self._start = -(-self._reserved // _ALIGNMENT) * _ALIGNMENT
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
