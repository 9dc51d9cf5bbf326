"""A tree of files that photos are read from: a folder here, or a prefix in object storage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, Protocol

# No photo is as large; a file that is would only fill the memory.
MAX_PHOTO_BYTES: Final = 512 * 2**20


class File(NamedTuple):
    """A file below the root: its path relative to it, with forward slashes, and its size."""

    path: str
    size_bytes: int


class Files(Protocol):
    """Files below one root. Pickles, so that worker processes can read from it.

    Hidden files and folders (their name starts with a dot) are never listed. Listing methods raise
    `BadSourceError` when the root cannot be listed; reading methods raise `UnusablePhotoError` when the one
    file cannot be had, and `SourceLostError` when the storage behind it does not answer.
    """

    @property
    def location(self) -> str:
        """The root, as people write it."""
        ...

    @property
    def reads_at_once(self) -> int:
        """How many reads are worth having under way at a time: 1 where files are at hand, more where each
        waits for a network."""
        ...

    def is_folder(self, folder: str = "") -> bool:
        """Whether the folder is there; the root itself without an argument."""
        ...

    def is_file(self, path: str) -> bool: ...

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        ...

    def files(self, folder: str = "") -> list[File]:
        """The files directly in a folder, sorted by path."""
        ...

    def files_below(self, folder: str = "") -> Iterator[File]:
        """Every file below a folder, in no particular order."""
        ...

    def read(self, path: str) -> bytes:
        """A whole file, of `MAX_PHOTO_BYTES` at most."""
        ...

    def read_range(self, path: str, start: int, size: int) -> bytes:
        """`size` bytes from `start`; where there are fewer, the photo is `unreadable`."""
        ...

    def open(self, path: str) -> BinaryIO:
        """A seekable reader of a list, an index or an archive; raises `BadSourceError` when there is none."""
        ...
