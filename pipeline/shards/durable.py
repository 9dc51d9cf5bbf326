"""Writing so that what is there is whole, and stays when the power goes."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Writes a text file whole or not at all, and durably."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, "utf-8")
    sync(aside)
    aside.rename(path)


def sync(path: Path) -> None:
    """Returns when a file or folder has reached the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
