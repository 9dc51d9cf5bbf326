"""Files below one prefix of object storage, moved whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

from pyarrow.fs import FileSelector, FileType, LocalFileSystem, copy_files
from pyarrow.lib import ArrowInvalid

from pipeline.errors import StorageUnavailableError, StoredFileDamagedError
from pipeline.storage.address import Address, is_absent, may_pass
from pipeline.storage.client import open_client

_BLOCK_BYTES: Final = 8 * 2**20
# The clients try a request again for some seconds; this is for what breaks between two of a transfer's.
_PAUSES_SECONDS: Final = (1.0, 4.0)


class ObjectStore:
    """What lies below an address. Thread-safe; a process that was forked opens its own.

    Every method raises `StorageUnavailableError` when storage does not answer or does not let one in;
    transfers that break off are tried again a few times before.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    def put(self, file: Path, path: str) -> None:
        """Uploads a file; what is there under its path by the end is all of it."""
        with self._answering(path, "written"):
            try:
                _again(lambda: self._upload(file, path))
            except (OSError, ArrowInvalid):
                # The client gives a name to what it has when it is interrupted.
                with suppress(OSError):
                    self._client.delete_file(self.address.key(path))
                raise

    def fetch(self, path: str, target: BinaryIO) -> None:
        """Writes an object into a file, from its start; `StoredFileDamagedError` says that there is none."""
        with self._answering(path, "read"):
            try:
                _again(lambda: self._download(path, target))
            except OSError as error:
                if is_absent(error):
                    raise StoredFileDamagedError(self.address.url_of(path), "is missing") from error
                raise

    def sizes_bytes(self) -> dict[str, int]:
        """Every object below the address, by its path; none where nothing is there."""
        root = len(self.address.key()) + 1
        with self._answering("", "read"):
            selector = FileSelector(self.address.key(), allow_not_found=True, recursive=True)
            found = self._client.get_file_info(selector)
        return {info.path[root:]: info.size for info in found if info.type == FileType.File}

    def delete_all(self) -> None:
        """Removes every object below the address; that there is none is well."""
        with self._answering("", "deleted"):
            try:
                self._client.delete_dir(self.address.key())
            except FileNotFoundError:
                return

    @cached_property
    def _client(self) -> Any:
        return open_client(self.address)

    def _upload(self, file: Path, path: str) -> None:
        key = self.address.key(path)
        copy_files(
            str(file.absolute()),
            key,
            source_filesystem=LocalFileSystem(),
            destination_filesystem=self._client,
            chunk_size=_BLOCK_BYTES,
        )
        arrived, sent = self._client.get_file_info(key).size, file.stat().st_size
        if arrived != sent:
            raise OSError(f"{arrived} of {sent} bytes arrived")

    def _download(self, path: str, target: BinaryIO) -> None:
        target.seek(0)
        with self._client.open_input_stream(self.address.key(path)) as source:
            while block := source.read(_BLOCK_BYTES):
                target.write(block)
        target.truncate()

    @contextmanager
    def _answering(self, path: str, done: str) -> Iterator[None]:
        """What the client says, as an error of this room."""
        try:
            yield
        except (OSError, ArrowInvalid) as error:
            if _is_of_this_machine(error):
                raise
            place = self.address.url_of(path)
            raise StorageUnavailableError(f"{place} {self.address.problem(error, done)}") from error


def _again(transfer: Callable[[], None]) -> None:
    """Tries a transfer, and again after a while when it breaks off."""
    for pause_seconds in _PAUSES_SECONDS:
        try:
            transfer()
        except OSError as error:
            if _is_of_this_machine(error) or not may_pass(error):
                raise
            time.sleep(pause_seconds)
        else:
            return
    transfer()


def _is_of_this_machine(error: Exception) -> bool:
    """Whether it is about a file here, as on a full disk: what clients say of a network has no errno."""
    return isinstance(error, OSError) and error.errno is not None and not is_absent(error)
