"""What is on its way out: out of sight at once, and removed with what it has in object storage."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Final

import structlog

from pipeline.errors import StorageUnavailableError, StoredFileDamagedError
from pipeline.storage.moving import remove_objects_of

log = structlog.get_logger()

_SUFFIX: Final = ".deleted"


def discard(folder: Path) -> None:
    """Takes a folder out of sight and removes it, as far as that can be done now. Of a link, the link alone.

    Raises OSError where it cannot be moved.
    """
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        folder.rename(trash_of(folder))
        empty_trash(folder.parent)


def trash_of(folder: Path) -> Path:
    """A name to take a folder out of sight by, for `empty_trash` to find."""
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex}{_SUFFIX}")


def empty_trash(parent: Path) -> None:
    """Removes what lies in a folder out of sight, and what of it is in object storage before it.

    Where storage does not answer it stays, for it says what there is to remove, until the next is discarded.
    Of a link, the link alone: what it leads to is not ours.
    """
    for doomed in parent.glob(f".*{_SUFFIX}"):
        if doomed.is_symlink():
            doomed.unlink()
            continue
        try:
            remove_objects_of(doomed)
        except StoredFileDamagedError as error:
            log.warning("objects_left", folder=str(doomed), detail=str(error))
            continue
        except StorageUnavailableError as error:
            log.warning("objects_left", folder=str(doomed), detail=str(error))
            # Nor would it answer for the others, and each would be waited for.
            return
        shutil.rmtree(doomed, ignore_errors=True)
        if doomed.exists():
            log.warning("folder_left", folder=str(doomed))
