"""The folders that everything lies in: whether they are there, for a disk can be gone; and their removal."""

from __future__ import annotations

import shutil
from pathlib import Path

from service.errors import StorageUnavailableError


def require_folder(folder: Path) -> None:
    """Raises `StorageUnavailableError` when a folder that Tandem keeps things in cannot be reached."""
    try:
        folder.stat()
    except OSError as error:
        raise StorageUnavailableError(
            f"{folder} cannot be reached ({error.strerror}): mount it again, or make it anew where it was"
            " removed on purpose"
        ) from error


def remove_folder(folder: Path, *, ignore_errors: bool = False) -> None:
    """Removes a folder with all it holds. Of a link, the link alone: what it leads to is not ours."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=ignore_errors)
