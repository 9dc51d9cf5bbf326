"""Whether object storage lets this process do all that is done with it."""

from __future__ import annotations

import io
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StorageUnavailableError, StoredFileDamagedError
from pipeline.storage.opened import open_store
from pipeline.storage.stored_files import new_url

if TYPE_CHECKING:
    from pipeline.storage.object_store import ObjectStore

_CONTENT = b"Tandem tried whether it can write here, read and delete.\n"


def try_storage(url: str) -> None:
    """Writes a small object of its own below a URL, reads it and deletes it.

    Raises `StorageUnavailableError` saying what of it does not work, and what to check.
    """
    store = open_store(new_url(f"{url}/.trial"))
    # Asked first, for a transfer would be tried again and again where nobody answers.
    store.sizes_bytes()
    with tempfile.NamedTemporaryFile() as file:
        file.write(_CONTENT)
        file.flush()
        store.put(Path(file.name), "trial")
    try:
        _read_back(store, url)
    except StorageUnavailableError:
        # It is asked again and again, and each trial would leave an object.
        with suppress(StorageUnavailableError):
            store.delete_all()
        raise
    store.delete_all()


def _read_back(store: ObjectStore, url: str) -> None:
    found = io.BytesIO()
    try:
        store.fetch("trial", found)
    except StoredFileDamagedError as error:
        raise StorageUnavailableError(f"{error.url} was written and {error.detail}") from error
    if found.getvalue() != _CONTENT:
        raise StorageUnavailableError(f"{url} gives back other bytes than were written")
