"""What every source of photos can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol, Self

from pipeline.photos.files import Files


class Photo(NamedTuple):
    """One listed photo, and where its bytes are.

    `path` is its place within the source as people would name it: in the quarantine ledger and in the
    fingerprint. `container` is the file that holds it, relative to the source's location, where many photos
    share one; `place` is where in it: the first byte in a tar, the row in a Parquet file.
    """

    path: str
    class_id: str
    size_bytes: int
    container: str = ""
    place: int = 0


class Source(Protocol):
    """A collection of labelled photos. Pickles, so that worker processes can read from it."""

    @property
    def type(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def reads_at_once(self) -> int:
        """How many threads `read` may be called from at a time, with profit."""
        ...

    def listings(self) -> Mapping[str, Sequence[Photo]]:
        """The photos in listing order: under `train` and `val` where the source tells them apart, else `all`.

        Raises `BadSourceError` when the source is missing, or not in its form.
        """
        ...

    def class_names(self) -> Mapping[str, str]:
        """Class id to readable name, for the classes the source has names for. Called after `listings`."""
        ...

    def read(self, photo: Photo) -> bytes:
        """The bytes of a listed photo.

        Raises `UnusablePhotoError` when the photo cannot be had, and `SourceLostError` when the source
        itself does not answer.
        """
        ...

    def keeping_in(self, folder: Path) -> Source:
        """The same source, which may keep in a folder what it would otherwise read again and again."""
        ...


@dataclass(frozen=True)
class FilesSource:
    """What sources that are made of files have in common."""

    files: Files

    @property
    def location(self) -> str:
        return self.files.location

    @property
    def reads_at_once(self) -> int:
        return self.files.reads_at_once

    def keeping_in(self, folder: Path) -> Self:
        return self


def in_listing_order(photos: Iterable[Photo]) -> list[Photo]:
    """By class, then by the file's own name without its ending, then by path.

    The folders, archives and tables around a photo come last: so the same photos have the same order, and
    thereby the same sample_ids and shards, in whatever form they come.
    """
    return sorted(photos, key=lambda photo: (photo.class_id, PurePosixPath(photo.path).stem, photo.path))


def integer_class_id(label: int, num_classes: int) -> str:
    """The class id of a source that numbers its classes from 0: digits enough that ids sort as numbers do."""
    return f"{label:0{len(str(max(num_classes - 1, 0)))}d}"
