"""Where in a tar its files lie: found by its headers alone, and read from there without unpacking."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, cast

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.files import MAX_PHOTO_BYTES, Files
from pipeline.photos.sources.base import Photo

# Walking a tar is waiting, where it lies behind a network: that goes for several at a time.
TARS_AT_ONCE: Final = 16

_BLOCK_BYTES: Final = 512
_COMPRESSED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")

# A name or a header is a few blocks at most. One that claims more is damaged, and would fill the memory.
_MAX_HEADER_BYTES: Final = 2**20

# A tar ends in zeros up to a full record, 10 KiB as a rule. A great many more are what an interrupted
# download leaves that had reserved its place on the disk.
_MAX_PADDING_BYTES: Final = 2**20


class TarMember(NamedTuple):
    """A file in a tar: its name as a relative path, and its bytes' place in the file the tar is read from.

    What is no plain file (a link, a device) has no bytes of its own: a size of 0.
    """

    name: str
    place: int
    size_bytes: int


def tar_members(
    file: BinaryIO, location: str, start: int = 0, size: int | None = None
) -> Iterator[TarMember]:
    """The files of a tar in their order there, from the headers; folders and hidden files are left out.

    `start` and `size` bound a tar that lies within another. `file` may be read elsewhere meanwhile.
    `location` names the tar in errors. Raises `BadSourceError` for one that is compressed, cut off at
    whatever place, damaged, or goes on after its end.
    """
    window = _Window(file, start, file.seek(0, io.SEEK_END) - start if size is None else size)
    if window.read(_BLOCK_BYTES).startswith(_COMPRESSED):
        raise BadSourceError(
            f"{location} is compressed: decompress it first, so that photos can be read from its midst"
        )
    window.seek(0)
    count = header = 0
    try:
        with tarfile.open(fileobj=cast("BinaryIO", window), mode="r:", encoding="utf-8") as tar:
            while not window.is_end(header):
                # TarFile.next would take a header it cannot read, and a file without an end, for the end; and
                # it would keep every member.
                info = tarfile.TarInfo.fromtarfile(tar)
                _refuse_unless_whole(info, window, location, count)
                count += 1
                name = _visible_name(info.name)
                if name is not None and not info.isdir():
                    yield TarMember(name, start + info.offset_data, info.size if _has_bytes(info) else 0)
                header = tar.offset
    except (tarfile.TarError, ValueError, RecursionError) as error:
        cut = len(window.last_read) < _BLOCK_BYTES
        raise BadSourceError((_cut_off if cut else _damaged)(location, count)) from error
    _refuse_unless_padding(window, header, location, count)


def read_member(files: Files, photo: Photo) -> bytes:
    """The bytes of a photo listed in a tar; raises as `Source.read` does."""
    if photo.size_bytes > MAX_PHOTO_BYTES:
        raise UnusablePhotoError("too_large", f"{photo.size_bytes} bytes")
    if photo.size_bytes == 0:
        raise UnusablePhotoError("empty", "a file without bytes, or a link")
    return files.read_range(photo.container, photo.place, photo.size_bytes)


class _Window:
    """A part of a file as a file of its own, which remembers what was read last."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._position = 0
        self.size_bytes = size
        self.last_read = b""

    def is_end(self, position: int) -> bool:
        """Whether the block there says that no more follow; it is read next in any case."""
        self.seek(position)
        found = self.read(_BLOCK_BYTES) == bytes(_BLOCK_BYTES)
        self.seek(position)
        return found

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        self._position = position
        return position

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self._file.seek(self._start + self._position)
        self.last_read = self._file.read(max(0, min(size, self.size_bytes - self._position)))
        self._position += len(self.last_read)
        return self.last_read


def _refuse_unless_whole(info: tarfile.TarInfo, window: _Window, location: str, count: int) -> None:
    if info.issparse():
        raise BadSourceError(f"{location} stores {info.name!r} with holes: pack it again without --sparse")
    if info.size < 0:
        raise BadSourceError(_damaged(location, count))
    if _has_bytes(info) and info.offset_data + info.size > window.size_bytes:
        raise BadSourceError(_cut_off(location, count))


def _refuse_unless_padding(window: _Window, end: int, location: str, count: int) -> None:
    padding_bytes = window.size_bytes - end
    window.seek(end)
    while data := window.read(_MAX_HEADER_BYTES):
        if any(data):
            raise BadSourceError(
                f"{location} goes on after its end, which comes after {count} members: fetch it again, or"
                " pack it anew if it is several tars in one"
            )
        if padding_bytes > _MAX_PADDING_BYTES:
            raise BadSourceError(_cut_off(location, count))


def _cut_off(location: str, count: int) -> str:
    return f"{location} is cut off after {count} members: fetch it again"


def _damaged(location: str, count: int) -> str:
    return f"{location} is no tar, or damaged, after {count} members: fetch it again"


def _has_bytes(info: tarfile.TarInfo) -> bool:
    return info.isreg() or info.type not in tarfile.SUPPORTED_TYPES


def _visible_name(name: str) -> str | None:
    """The name without `./` and the like; None for a hidden file, as in folders."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if any(part.startswith(".") and part != ".." for part in parts):
        return None
    return "/".join(parts)
