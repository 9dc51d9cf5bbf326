"""Files below a prefix in object storage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, ClassVar, cast

from pyarrow.fs import FileSelector, FileType
from pyarrow.lib import ArrowInvalid

from pipeline.errors import BadSourceError, SourceLostError, UnusablePhotoError
from pipeline.photos.files import MAX_PHOTO_BYTES, File
from pipeline.photos.remote_reader import RemoteReader
from pipeline.storage.address import Address, one_line
from pipeline.storage.client import open_client


@dataclass(frozen=True)
class RemoteFiles:
    """Files below `s3://bucket/prefix` or `gs://bucket/prefix`, the prefix taken as it stands.

    Credentials, region and endpoint come from the environment, as the storage's own tools take them. Raises
    `BadSourceError` for any other URL.
    """

    url: str

    reads_at_once: ClassVar[int] = 16

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "url", self._address.url)
        except ValueError as error:
            raise BadSourceError(f"photos are read from a path, or from object storage: {error}") from error

    def __reduce__(self) -> tuple[type[RemoteFiles], tuple[str]]:
        # Every process has its own connections, and credentials are not sent along.
        return RemoteFiles, (self.url,)

    @property
    def location(self) -> str:
        return self.url

    def is_folder(self, folder: str = "") -> bool:
        return bool(self._type(folder) == FileType.Directory)

    def is_file(self, path: str) -> bool:
        return bool(self._type(path) == FileType.File)

    def folders(self, folder: str = "") -> list[str]:
        parent = len(self._address.key(folder)) + 1
        names = {info.path[parent:] for info in self._listed(folder, FileType.Directory, recursive=False)}
        if self._address.scheme == "gs":
            names |= self._folder_names[folder]
        # Keys with two slashes in a row make a folder without a name.
        return sorted(names - {""})

    def files(self, folder: str = "") -> list[File]:
        return sorted(self._files(folder, recursive=False))

    def files_below(self, folder: str = "") -> Iterator[File]:
        yield from self._files(folder, recursive=True)

    def read(self, path: str) -> bytes:
        file, size_bytes = self._object(path)
        if size_bytes > MAX_PHOTO_BYTES:
            raise UnusablePhotoError("too_large", f"{size_bytes} bytes")
        return self._fetch(file, path, 0, size_bytes)

    def read_range(self, path: str, start: int, size: int) -> bytes:
        file, size_bytes = self._object(path)
        if start + size > size_bytes:
            raise UnusablePhotoError("unreadable", f"{path} ends before byte {start + size}")
        return self._fetch(file, path, start, size)

    def open(self, path: str) -> BinaryIO:
        try:
            file, size_bytes = self._object(path)
        except UnusablePhotoError as error:
            raise BadSourceError(f"{self._address.url_of(path)} cannot be read: {error.args[1]}") from error

        def fetch(start: int, size: int) -> bytes:
            # Google's files hold a download that ends, and they with it, when it is left alone for long.
            opened = file if self._address.scheme == "s3" else self._object(path)[0]
            return self._fetch(opened, path, start, size)

        return cast("BinaryIO", RemoteReader(fetch, size_bytes))

    @cached_property
    def _address(self) -> Address:
        return Address(self.url)

    @cached_property
    def _client(self) -> Any:
        return open_client(self._address)

    @cached_property
    def _folder_names(self) -> defaultdict[str, set[str]]:
        """Names of the folders in every folder, from the files below the root.

        Google's client lists a folder within another only where an object stands for it, and uploads
        make none.
        """
        names: defaultdict[str, set[str]] = defaultdict(set)
        seen: set[str] = set()
        for file in self.files_below():
            folder = file.path.rpartition("/")[0]
            while folder and folder not in seen:
                seen.add(folder)
                parent, _, name = folder.rpartition("/")
                names[parent].add(name)
                folder = parent
        return names

    def _type(self, path: str) -> Any:
        with self._listing(path):
            return self._client.get_file_info(self._address.key(path)).type

    def _files(self, folder: str, *, recursive: bool) -> Iterator[File]:
        root = len(self._address.key()) + 1
        for info in self._listed(folder, FileType.File, recursive=recursive):
            yield File(info.path[root:], info.size)

    def _listed(self, folder: str, kind: Any, *, recursive: bool) -> Iterator[Any]:
        """What lies in a folder and is of one kind, but for the hidden."""
        below = len(self._address.key(folder))
        with self._listing(folder):
            found = self._client.get_file_info(FileSelector(self._address.key(folder), recursive=recursive))
        return (info for info in found if info.type == kind and "/." not in info.path[below:])

    @contextmanager
    def _listing(self, folder: str) -> Iterator[None]:
        """What storage says, as an error of the source."""
        try:
            yield
        except (OSError, ArrowInvalid) as error:
            raise BadSourceError(
                f"{self._address.url_of(folder)} {self._address.problem(error, 'read')}"
            ) from error

    def _object(self, path: str) -> tuple[Any, int]:
        """An object, and its size."""
        if path.startswith("/") or ".." in path.split("/"):
            raise UnusablePhotoError("outside_source", "a path out of the source")
        try:
            file = self._client.open_input_file(self._address.key(path))
            return file, file.size()
        except FileNotFoundError as error:
            raise UnusablePhotoError("unreadable", "no such object") from error
        except ArrowInvalid as error:
            # Keys may have two slashes in a row, but this client refuses them.
            raise UnusablePhotoError("unreadable", one_line(error)) from error
        except OSError as error:
            raise self._lost(path, error) from error

    def _fetch(self, file: Any, path: str, start: int, size: int) -> bytes:
        """`size` bytes of an object that has them."""
        try:
            data: bytes = file.read_at(size, start)
        except OSError as error:
            raise self._lost(path, error) from error
        if len(data) < size:
            raise SourceLostError(f"{self._address.url_of(path)} came in part: try again")
        return data

    def _lost(self, path: str, error: Exception) -> SourceLostError:
        return SourceLostError(
            f"{self._address.url_of(path)} {self._address.problem(error, 'read')}; then run the same again"
        )
