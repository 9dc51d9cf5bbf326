"""A folder's large files on their way to object storage, and everything of a folder on its way out."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.errors import StorageUnavailableError
from pipeline.shards.durable import sync
from pipeline.storage.opened import open_store
from pipeline.storage.stored_files import STORAGE_FILE, FileRecord, StoredFiles, new_url


def store_files(folder: Path, files: Mapping[str, Path], url: str) -> None:
    """Uploads files, and has the folder say where they are, by the names given. Nobody reads it yet.

    Raises `StorageUnavailableError`; whoever removes the folder then removes what had arrived.
    """
    stored = StoredFiles(url=new_url(url), files={name: _record(file) for name, file in files.items()})
    stored.save(folder)
    store = open_store(stored.url)
    for name, file in files.items():
        store.put(file, name)


def store_folder(made: Path, target: Path, large: Collection[str], url: str) -> None:
    """Puts a folder that was made on this node under its name: the files `large` in object storage.

    It is there whole or not at all, and durable. Raises `StorageUnavailableError` and OSError, and leaves
    nothing then; a process that is killed leaves a hidden folder `.<name>.<id>` beside it, for
    `remove_stored`.
    """
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    unfinished.mkdir()
    try:
        store_files(unfinished, {name: made / name for name in large}, url)
        for file in made.iterdir():
            if file.name not in large:
                shutil.copyfile(file, unfinished / file.name)
                sync(unfinished / file.name)
        sync(unfinished)
        unfinished.rename(target)
    except BaseException:
        with suppress(StorageUnavailableError):
            remove_stored(unfinished)
        raise
    sync(target.parent)


def remove_stored(folder: Path) -> None:
    """Removes a folder with all it holds, and before it what it has in object storage.

    Of a link, the link alone: what it leads to is not ours. Raises `StorageUnavailableError` where storage
    does not answer: the folder is there still, and the same again goes on. Raises OSError as rmtree does.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    remove_objects_of(folder)
    shutil.rmtree(folder)


def remove_objects_of(folder: Path) -> None:
    """Removes what a folder, and the folders in it, have in object storage. Nobody reads it any more."""
    for place, _, files in os.walk(folder):
        if STORAGE_FILE in files and (stored := StoredFiles.of(Path(place))) is not None:
            open_store(stored.url).delete_all()


def _record(file: Path) -> FileRecord:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return FileRecord(size_bytes=file.stat().st_size, sha256=digest)
