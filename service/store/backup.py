"""A copy of the database while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from service.errors import BackupError


def back_up(database_url: str, out: Path) -> None:
    """Copies a SQLite database as it is at one moment, checked and on the disk, to a new file.

    Writers go on meanwhile (https://www.sqlite.org/backup.html). Raises `BackupError` when there is no such
    database, the file exists already, or the copy is not sound.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise BackupError(f"{url.get_backend_name()} has its own way to be backed up: use pg_dump")
    source = Path(url.database)
    if not source.is_file():
        raise BackupError(f"no database at {source}: set TANDEM_HOME to where the server's is")
    if out.exists():
        raise BackupError(f"{out} exists: choose another file")
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        _copy(source, aside)
        aside.rename(out)
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{source} cannot be copied: {error}") from error
    finally:
        aside.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
        # One file, for whoever carries it away: a copy would else want its log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise BackupError(f"the copy of {source} is not sound: {verdict}")
    with target.open("rb") as file:
        os.fsync(file.fileno())
