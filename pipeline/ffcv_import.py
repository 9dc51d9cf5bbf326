"""How FFCV is imported here: without what its import does to the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba.typed
import torch


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """Puts torch's thread count back as it was: FFCV sets it on import and whenever it sets its own."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def ffcv_import() -> Iterator[None]:
    """Surrounds the first import of FFCV in a module."""
    compiled_dict = numba.typed.Dict
    # FFCV names its two image modes in a compiled dictionary that no compiled code reads. Compiling it is
    # nearly all of the import: 4.6 s of 4.7.
    numba.typed.Dict = dict
    try:
        with torch_threads_kept():
            yield
    finally:
        numba.typed.Dict = compiled_dict
