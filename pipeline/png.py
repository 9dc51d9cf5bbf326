"""Pixels to a PNG file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Writes uint8 [H, W, 3] RGB, whole or not at all, over a file that is there already.

    The same pixels give the same bytes. Raises OSError, naming `path`, when it cannot be written.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise OSError(errno.EEXIST, "it is there and is not a file")
        partial = target.parent / f".{os.getpid()}.partial"
        try:
            with partial.open("wb") as file:
                Image.fromarray(pixels).save(file, "PNG")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        reason = f"the picture cannot be written: {error.strerror}"
        raise OSError(error.errno, reason, os.fspath(path)) from error
