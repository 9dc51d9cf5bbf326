"""Photos in Parquet files, as model hubs hand them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.files import MAX_PHOTO_BYTES, File
from pipeline.photos.sources.archive_splits import by_split
from pipeline.photos.sources.base import FilesSource, Photo, in_listing_order, integer_class_id
from pipeline.photos.sources.class_names import is_printable
from pipeline.photos.sources.parquet_table import ParquetTable
from pipeline.photos.sources.row_groups import RowGroups

PARQUET_ENDING: Final = ".parquet"
_ROW_DIGITS: Final = 8


@dataclass(frozen=True)
class ParquetSource(FilesSource):
    """The `.parquet` files below a folder, or one of them, with a column of photos and one of labels.

    The words `train` and `validation` in their names tell the splits apart. Labels are class ids if they are
    text; whole numbers number the classes from 0, and the files' metadata may name them. Since a photo's own
    size is not known before it is read, the mean compressed size in its row group stands for it in listings.
    Reading a photo reads the row group it is in; see `RowGroups`.
    """

    file: str = ""
    kept: Path | None = None

    type: ClassVar[str] = "parquet"
    # Readers side by side would only push each other's row groups out of the cache.
    reads_at_once: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # Every process opens the files for itself.
        return ParquetSource, (self.files, self.file, self.kept)

    @property
    def location(self) -> str:
        return f"{self.files.location}/{self.file}" if self.file else self.files.location

    def listings(self) -> dict[str, list[Photo]]:
        labelled: dict[str, list[tuple[int | str, Photo]]] = {}
        heads: list[_Head] = []
        for split, files in self._split_files().items():
            labelled[split] = []
            for file in files:
                table = ParquetTable(self.files, file.path)
                heads.append(_Head(table.location, table.numbers_classes, table.names))
                labelled[split].extend(_labelled_photos(table, file.path))
        num_classes = self._num_classes(heads, [label for rows in labelled.values() for label, _ in rows])
        return {
            split: in_listing_order(
                photo._replace(class_id=_class_id(label, num_classes)) for label, photo in rows
            )
            for split, rows in labelled.items()
        }

    def class_names(self) -> Mapping[str, str]:
        for files in self._split_files().values():
            for file in files:
                if names := ParquetTable(self.files, file.path).names:
                    numbered = {_class_id(label, len(names)): name for label, name in enumerate(names)}
                    return {class_id: name for class_id, name in numbered.items() if is_printable(name)}
        return {}

    def read(self, photo: Photo) -> bytes:
        value = self._groups.photo(photo.container, photo.place)
        if value is None:
            raise UnusablePhotoError("empty", f"row {photo.place} holds no photo")
        if len(value) > MAX_PHOTO_BYTES:
            raise UnusablePhotoError("too_large", f"{len(value)} bytes")
        return value

    def keeping_in(self, folder: Path) -> ParquetSource:
        return replace(self, kept=folder)

    @cached_property
    def _groups(self) -> RowGroups:
        return RowGroups(self.files, self.kept)

    def _split_files(self) -> dict[str, list[File]]:
        if self.file:
            return {"all": [File(self.file, 0)]}
        found = [file for file in self.files.files_below() if file.path.lower().endswith(PARQUET_ENDING)]
        if not found:
            raise BadSourceError(
                f"{self.location} holds no {PARQUET_ENDING} files: give a folder of them, or one"
            )
        return by_split(found)

    def _num_classes(self, heads: Sequence[_Head], labels: Sequence[int | str]) -> int:
        """How many classes there are, if they are numbered; refuses files that do not go together."""
        if not labels:
            raise BadSourceError(f"{self.location} holds no rows: give files of photos")
        first = heads[0]
        named = [head for head in heads if head.names]
        for head in heads:
            if head.numbers_classes != first.numbers_classes:
                raise BadSourceError(
                    f"{head.location} and {first.location}: only one of them numbers its classes"
                )
            if head.names and head.names != named[0].names:
                raise BadSourceError(
                    f"{head.location} and {named[0].location} name their classes differently"
                )
        largest = max((label for label in labels if isinstance(label, int)), default=-1)
        if named and largest >= len(named[0].names):
            raise BadSourceError(
                f"{named[0].location} names {len(named[0].names)} classes, but there is a label {largest}"
            )
        return len(named[0].names) if named else largest + 1


class _Head(NamedTuple):
    """What has to agree between files."""

    location: str
    numbers_classes: bool
    names: Sequence[str]


def _labelled_photos(table: ParquetTable, path: str) -> Iterator[tuple[int | str, Photo]]:
    for place, row in enumerate(table.rows()):
        name = (row.path or "").lstrip("/") or f"{place:0{_ROW_DIGITS}d}"
        yield row.label, Photo(f"{path}/{name}", "", row.size_bytes, path, place)


def _class_id(label: int | str, num_classes: int) -> str:
    return label if isinstance(label, str) else integer_class_id(label, num_classes)
