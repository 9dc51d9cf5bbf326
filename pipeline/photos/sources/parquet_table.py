"""One Parquet file of photos, as model hubs hand them out."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import BadSourceError
from pipeline.photos.files import Files
from pipeline.photos.sources.class_names import is_printable

_IMAGE_COLUMNS: Final = ("image", "img")
_LABEL_COLUMN: Final = "label"
_NEEDED: Final = "image (or img: bytes, or a struct of bytes and path) and label (whole numbers or text)"


class Row(NamedTuple):
    """A row's label, the path it gives its photo, if any, and about how many bytes the photo has."""

    label: int | str
    path: str | None
    size_bytes: int


class ParquetTable:
    """An open Parquet file with a column of photos and one of labels.

    Opening it and `rows` raise `BadSourceError` for a file that is damaged or has no such columns.
    """

    def __init__(self, files: Files, path: str) -> None:
        self.location = f"{files.location}/{path}"
        opened = files.open(path)
        # Arrow leaves a file that it did not open itself for others to close.
        weakref.finalize(self, opened.close)
        with self._read():
            self._file = pq.ParquetFile(opened)
            self._schema = self._file.schema_arrow
        self._image = next((name for name in _IMAGE_COLUMNS if self._holds_photos(name)), "")
        if not (self._image and self._holds_labels()):
            found = ", ".join(f"{field.name} ({field.type})" for field in self._schema)
            raise BadSourceError(f"{self.location} has the columns {found}; it needs {_NEEDED}")
        counts = [self._group(number).num_rows for number in range(self._file.num_row_groups)]
        self._first_rows = np.array(list(accumulate(counts, initial=0)))

    @property
    def numbers_classes(self) -> bool:
        """Whether labels are whole numbers."""
        return bool(pa.types.is_integer(self._schema.field(_LABEL_COLUMN).type))

    @property
    def names(self) -> Sequence[str]:
        """The names of the numbered classes, where the file has them."""
        try:
            described = json.loads((self._schema.metadata or {})[b"huggingface"])
            names = described["info"]["features"][_LABEL_COLUMN]["names"]
        except (KeyError, TypeError, ValueError):
            return []
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        return names if is_list and self.numbers_classes else []

    def rows(self) -> Iterator[Row]:
        """Every row, without reading photos: their size is the mean one, compressed, of their row group."""
        for number in range(self._file.num_row_groups):
            labels, paths = self._labels_and_paths(number)
            size_bytes = self._photo_bytes(number) // max(len(labels), 1)
            for place, (label, path) in enumerate(zip(labels, paths, strict=True)):
                self._check_label(label, int(self._first_rows[number]) + place)
                yield Row(label, path, size_bytes)

    def place_of(self, row: int) -> tuple[int, int]:
        """The number of the row group that holds a row, and the row's place in it."""
        number = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        return number, row - int(self._first_rows[number])

    def photos(self, number: int) -> Any:
        """The photos of a row group: an Arrow array of bytes, null where a row has none."""
        column = self._column(number, self._image if self._is_plain else f"{self._image}.bytes")
        return column if self._is_plain else pc.struct_field(column, "bytes")

    @property
    def _is_plain(self) -> bool:
        """Whether a photo is its bytes alone, rather than these and a path."""
        return not pa.types.is_struct(self._schema.field(self._image).type)

    def _holds_photos(self, name: str) -> bool:
        if self._schema.get_field_index(name) < 0:
            return False
        kind = self._schema.field(name).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def _holds_labels(self) -> bool:
        if self._schema.get_field_index(_LABEL_COLUMN) < 0:
            return False
        kind = self._schema.field(_LABEL_COLUMN).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def _labels_and_paths(self, number: int) -> tuple[list[Any], list[str | None]]:
        with self._read():
            labels = self._column(number, _LABEL_COLUMN).to_pylist()
            if self._is_plain or self._schema.field(self._image).type.get_field_index("path") < 0:
                return labels, [None] * len(labels)
            column = self._column(number, f"{self._image}.path")
            return labels, pc.struct_field(column, "path").to_pylist()

    def _check_label(self, label: int | str | None, row: int) -> None:
        unlabelled = label < 0 if isinstance(label, int) else label is None
        if unlabelled:
            raise BadSourceError(
                f"{self.location}, row {row}: the label is {label}; leave out unlabelled photos"
            )
        if isinstance(label, str) and not is_printable(label):
            raise BadSourceError(f"{self.location}, row {row}: the label {label!r} cannot be printed")

    def _group(self, number: int) -> Any:
        return self._file.metadata.row_group(number)

    def _photo_bytes(self, number: int) -> int:
        """The bytes that a row group's photos take in the file."""
        leaf = self._image if self._is_plain else f"{self._image}.bytes"
        group = self._group(number)
        chunks = [group.column(place) for place in range(group.num_columns)]
        return sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema == leaf)

    def _column(self, number: int, leaf: str) -> Any:
        return self._file.read_row_group(number, columns=[leaf], use_threads=False).column(0)

    @contextmanager
    def _read(self) -> Iterator[None]:
        """What the reader trips over, as an error of the source."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            raise BadSourceError(
                f"{self.location} is no Parquet file, or damaged: {said}: fetch it again"
            ) from error
