"""The folders that everything lies in: whether they are there, for a disk can be gone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from service.errors import StorageUnavailableError

StorageUrl = Annotated[str | None, Field(exclude_if=lambda url: url is None)]
"""In a job's specification: below which URL the large files go that the job writes; None for its folder.
Where they do, that is written out: a job needs to know no setting of the server's."""


def require_folder(folder: Path) -> None:
    """Raises `StorageUnavailableError` when a folder that Tandem keeps things in cannot be reached."""
    try:
        folder.stat()
    except OSError as error:
        raise StorageUnavailableError(
            f"{folder} cannot be reached ({error.strerror}): mount it again, or make it anew where it was"
            " removed on purpose"
        ) from error
