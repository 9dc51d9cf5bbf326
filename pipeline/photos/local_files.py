"""Files in a folder of this machine, or of one that every node mounts."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, ClassVar

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.files import MAX_PHOTO_BYTES, File
from pipeline.photos.local_reader import LocalReader, fault


@dataclass(frozen=True)
class LocalFiles:
    """Files below a folder. What a link inside it points at elsewhere is not lent out."""

    root: Path

    reads_at_once: ClassVar[int] = 1

    @property
    def location(self) -> str:
        return str(self.root)

    def is_folder(self, folder: str = "") -> bool:
        return (self.root / folder).is_dir()

    def is_file(self, path: str) -> bool:
        return (self.root / path).is_file()

    def folders(self, folder: str = "") -> list[str]:
        return sorted(entry.name for entry in self._visible(folder) if entry.is_dir())

    def files(self, folder: str = "") -> list[File]:
        listed = [entry for entry in self._visible(folder) if not entry.is_dir()]
        return sorted(File(_joined(folder, entry.name), _size_bytes(entry)) for entry in listed)

    def files_below(self, folder: str = "") -> Iterator[File]:
        for entry in self._visible(folder):
            path = _joined(folder, entry.name)
            # A link to a folder is listed as a file, and found to be none when it is read.
            if entry.is_dir(follow_symlinks=False):
                yield from self.files_below(path)
            else:
                yield File(path, _size_bytes(entry))

    def read(self, path: str) -> bytes:
        with self._opened(path) as (descriptor, size_bytes):
            if size_bytes > MAX_PHOTO_BYTES:
                raise UnusablePhotoError("too_large", f"{size_bytes} bytes")
            return os.read(descriptor, size_bytes)

    def read_range(self, path: str, start: int, size: int) -> bytes:
        with self._opened(path) as (descriptor, _):
            data = os.pread(descriptor, size, start)
        if len(data) < size:
            raise UnusablePhotoError("unreadable", f"{path} ends before byte {start + size}")
        return data

    def open(self, path: str) -> BinaryIO:
        try:
            with self._opened(path) as (descriptor, _):
                return io.BufferedReader(LocalReader(os.dup(descriptor), f"{self.root / path}"))
        except UnusablePhotoError as error:
            raise BadSourceError(f"{self.root / path} cannot be read: {error.args[1]}") from error

    @contextmanager
    def _opened(self, path: str) -> Iterator[tuple[int, int]]:
        """A descriptor of a plain file, and its size."""
        place = reader = -1
        try:
            # A place is looked at before it is opened to be read: to open a device may set it going.
            place = os.open(f"{self._root}/{path}", os.O_PATH | os.O_CLOEXEC)
            # What a shared source's links point at elsewhere is not lent out.
            if not str(Path(f"/proc/self/fd/{place}").readlink()).startswith(self._real_root):
                raise UnusablePhotoError("outside_source", "a path or link out of the source")
            found = os.fstat(place)
            if not stat.S_ISREG(found.st_mode):
                raise UnusablePhotoError("not_a_file", "neither a file nor a link to one")
            reader = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
            yield reader, found.st_size
        except OSError as error:
            raise fault(f"{self.root / path}", error) from error
        except ValueError as error:
            # A path with a NUL in it.
            raise UnusablePhotoError("unreadable", str(error)) from error
        finally:
            for descriptor in (place, reader):
                if descriptor >= 0:
                    os.close(descriptor)

    @cached_property
    def _root(self) -> str:
        return os.fspath(self.root)

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root).rstrip("/") + "/"

    def _visible(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                yield from (entry for entry in entries if not entry.name.startswith("."))
        except FileNotFoundError as error:
            raise BadSourceError(f"{error.filename} does not exist: name a folder of photos") from error
        except NotADirectoryError as error:
            raise BadSourceError(f"{error.filename} is not a folder: name a folder of photos") from error
        except OSError as error:
            raise BadSourceError(f"{error.filename} cannot be read: {error.strerror}") from error


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _size_bytes(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        # A link to nothing stays listed, so that reading it puts it on the ledger.
        return 0
