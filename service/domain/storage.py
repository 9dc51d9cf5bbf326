"""Whether the folders that everything lies in are there: a disk can be gone for a while."""

from __future__ import annotations

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
