"""How usearch is imported, beside other libraries in C++."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def usearch_import() -> Iterator[None]:
    """Has the system's C++ runtime come first.

    usearch 2.26 carries one of its own and offers it to whatever is loaded later. Streams of both then get
    mixed up: pyarrow's client for S3 cannot write a number any more, and reaches no server.
    """
    # Where it has another name there is no such mixing either.
    with suppress(OSError):
        ctypes.CDLL("libstdc++.so.6", mode=ctypes.RTLD_GLOBAL)
    yield
