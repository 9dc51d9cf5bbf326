"""libjpeg-turbo alone, in two threads: every photo decoded into the same memory, and nothing kept.

What no loader of JPEGs can beat: the library on this machine, its fast transform, no order, no batches.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ctypes.util import find_library
from pathlib import Path

import numpy as np
from ffcv.reader import Reader
from turns import IMAGE_SIZE, WORKERS, Epoch, take_turns

_FAST_DCT = 2048
_RGB = 0

_turbo = ctypes.CDLL(find_library("turbojpeg"))
_turbo.tjInitDecompress.restype = ctypes.c_void_p
_turbo.tjDecompress2.argtypes = [
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
    *[ctypes.c_int] * 5,
]
_turbo.tjDestroy.argtypes = [ctypes.c_void_p]


def open_photos(what: str, work: Path) -> Epoch:
    beton = work / "jpg.beton"
    table = Reader(str(beton)).alloc_table.tolist()
    with beton.open("rb") as file:
        mapped = np.frombuffer(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), np.uint8)
    places = [(mapped.ctypes.data + pointer, size) for _, pointer, size in table]
    threads = ThreadPoolExecutor(WORKERS)

    def epoch() -> Iterator[tuple[list, None]]:
        assert mapped.size  # what `places` point into
        list(threads.map(decode, (places[first::WORKERS] for first in range(WORKERS))))
        yield places, None

    return epoch


def decode(places: list[tuple[int, int]]) -> None:
    """Decodes JPEGs that lie at these addresses, of these sizes; raises ValueError when one is damaged."""
    decoder = _turbo.tjInitDecompress()
    pixels = np.empty((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    decompress, target = _turbo.tjDecompress2, pixels.ctypes.data
    try:
        for address, size in places:
            if decompress(decoder, address, size, target, IMAGE_SIZE, 0, IMAGE_SIZE, _RGB, _FAST_DCT):
                raise ValueError(f"the JPEG of {size} bytes at {address} does not decode")
    finally:
        _turbo.tjDestroy(decoder)


def check(epoch: Epoch, what: str, work: Path, samples: int) -> None:
    decoded = sum(len(images) for images, _ in epoch())
    if decoded != samples:
        raise ValueError(f"{decoded} of {samples} photos were decoded")


if __name__ == "__main__":
    take_turns(open_photos, check)
