"""A folder that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill, beside `folder`, in whose place it is put once it is full and on the disk.

    It is gone when filling it failed. One that is left by a kill is called `.<folder>.` and something else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    unfinished.mkdir()
    try:
        yield unfinished
        for path in (*unfinished.iterdir(), unfinished):
            bring_to_disk(path)
        if folder.exists():
            # A folder cannot be renamed onto one that is not empty.
            replaced = unfinished.with_name(unfinished.name + ".replaced")
            folder.rename(replaced)
            unfinished.rename(folder)
            shutil.rmtree(replaced)
        else:
            unfinished.rename(folder)
        bring_to_disk(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def bring_to_disk(path: Path) -> None:
    """Returns once a file, or the names in a folder, would outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
