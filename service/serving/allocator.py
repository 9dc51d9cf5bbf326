"""How the process treats memory that it has freed."""

from __future__ import annotations

import ctypes
from typing import Final

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
_M_ARENA_MAX: Final = -8

# More than the maps of a batch take, for every worker of a small machine.
_KEPT_BYTES: Final = 2**30


def keep_freed_memory() -> None:
    """Lets the next batch have the memory of the last one.

    glibc gives large blocks back when they are freed and asks for them anew, and the kernel hands them out
    page by page, zeroed: a quarter of what a batch takes on a CPU. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # One heap, which grows as it must: those that glibc has for threads hold no large blocks.
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
