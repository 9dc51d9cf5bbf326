"""A file of this machine as one that lists, indices and archives can be read from."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.errors import SourceLostError, UnusablePhotoError

# What is wrong with a file itself. All else lies with the disk, the mount, or this process.
_OF_THE_FILE: Final = frozenset(
    (
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENXIO,
    )
)


class LocalReader(io.FileIO):
    """An open file. What keeps it from being read is no fault of what it holds: `SourceLostError`.

    `location` names the file in errors.
    """

    def __init__(self, descriptor: int, location: str) -> None:
        super().__init__(descriptor, "rb")
        self._location = location

    # The type of RawIOBase's is not one that can be written down.
    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        with self._answering():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._answering():
            return super().readall() or b""

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _lost(self._location, error) from error


def fault(location: str, error: OSError) -> UnusablePhotoError | SourceLostError:
    """What it is a fault of that a file cannot be had: the file, or the storage it lies in."""
    if error.errno in _OF_THE_FILE:
        return UnusablePhotoError("unreadable", error.strerror or str(error))
    return _lost(location, error)


def _lost(location: str, error: OSError) -> SourceLostError:
    return SourceLostError(
        f"{location} cannot be read: {error.strerror or error}: see to this machine, its disk or its"
        " mount; then run the same again"
    )
