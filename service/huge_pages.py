"""Memory in pages of 2 MiB, for processes that answer with large networks.

glibc's malloc gives large blocks back when they are freed and asks for them anew. The kernel then hands them
out again, zeroed, page by page: half a million faults for a dozen batches of `alexnet`, a sixth of the time
that they take. With huge pages it is a tenth of that many. Kernels that have none, and other C libraries,
ignore the setting; glibc 2.35 is the first to know it, and reads it only as a process starts.
"""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import Final

_NAME: Final = "GLIBC_TUNABLES"
HUGE_PAGES: Final = MappingProxyType({_NAME: "glibc.malloc.hugetlb=1"})


def restart_with_huge_pages() -> None:
    """Starts this process anew, with the same number, unless it was started with tunables already."""
    if sys.platform.startswith("linux") and _NAME not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **HUGE_PAGES})
