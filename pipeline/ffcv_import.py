"""How FFCV is imported here: without what its import does to the process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

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
        with torch_threads_kept(), _opencv_put_off():
            yield
    finally:
        numba.typed.Dict = compiled_dict


@contextmanager
def _opencv_put_off() -> Iterator[None]:
    """What imports OpenCV meanwhile imports it when it uses it, unless it is there already."""
    if "cv2" in sys.modules:
        yield
        return
    sys.modules["cv2"] = _PutOffOpenCV("cv2")
    try:
        yield
    finally:
        # Whoever else asks for OpenCV must get it, or be told that it is not there.
        del sys.modules["cv2"]


class _PutOffOpenCV(ModuleType):
    """What FFCV knows as OpenCV. It encodes and resizes with it in its own writer, which is not used here."""

    def __getattr__(self, name: str) -> Any:
        # What looks a module over, as warnings and inspect do, does not use it.
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            import cv2
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "FFCV encodes and resizes photos with OpenCV, which is not installed:"
                " pip install opencv-python-headless",
                name="cv2",
            ) from error
        return getattr(cv2, name)
