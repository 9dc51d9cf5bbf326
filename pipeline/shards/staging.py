"""The hidden folder a dataset is made in, until it is whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import DatasetExistsError


class StagingFolder:
    """A folder beside the dataset to be: it takes the dataset's name in `publish`, or goes without a trace.

    A lock in it tells a preparation at work from one that was killed, whose remains are cleared away.
    Raises `DatasetExistsError` when the dataset exists or another preparation is making it.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self.path = out.with_name(f".{out.name}.preparing")
        self._lock_file = self.path / "lock"
        self._lock = -1
        self._published = False

    def __enter__(self) -> Self:
        refuse_existing(self._out)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Before the lock was ours, whoever held it may have moved the folder away, or removed it.
            refuse_existing(self._out)
            if not os.path.samestat(os.fstat(self._lock), self._lock_file.stat()):
                raise BlockingIOError
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, (BlockingIOError, FileNotFoundError)):
                raise DatasetExistsError(f"{self._out} is being prepared by another process") from error
            raise
        for stale in self.path.iterdir():
            if stale != self._lock_file:
                stale.unlink()
        return self

    def publish(self) -> None:
        """Gives the dataset its name, once everything in the folder has reached the disk."""
        for path in self.path.iterdir():
            _sync(path)
        refuse_existing(self._out)
        self._lock_file.unlink()
        _sync(self.path)
        self.path.rename(self._out)
        self._published = True
        _sync(self._out.parent)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._published:
            shutil.rmtree(self.path)
        os.close(self._lock)


def refuse_existing(out: Path) -> None:
    """Raises `DatasetExistsError` when something has the dataset's place."""
    if os.path.lexists(out):
        raise DatasetExistsError(f"{out} exists: choose another place, or remove it")


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
