"""Photos that a table names, with the class of each: CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final, NamedTuple

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.sources.base import FilesSource, Photo, in_listing_order, integer_class_id
from pipeline.photos.sources.class_names import is_printable

CSV_ENDING: Final = ".csv"
JSONL_ENDING: Final = ".jsonl"
_CSV_FORM: Final = "its first row names the columns path and label, every other row is one photo"
_JSONL_FORM: Final = 'every line is an object such as {"path": "a/1.jpg", "label": "a"}'

# More digits than that are no number of a class.
_MAX_DIGITS: Final = 18


class _Row(NamedTuple):
    line: int
    path: str
    label: str
    is_number: bool


@dataclass(frozen=True)
class TableSource(FilesSource):
    """A `.csv` with the columns `path` and `label`, or a `.jsonl` of objects with these two.

    Paths are relative to the table's folder; one that begins with that folder's own path or URL may stand
    there in full. Photos outside the folder stay listed, and are not read. Labels are class ids, unless each
    is a whole number: then they number the classes from 0. A photo that storage does not list has a size of
    0, and is found to be missing when it is read.
    """

    table: str

    type: ClassVar[str] = "csv"

    @property
    def location(self) -> str:
        return f"{self.files.location}/{self.table}"

    def listings(self) -> dict[str, list[Photo]]:
        rows = self._rows()
        # One listing of everything asks storage less often than a question for each photo.
        sizes = {file.path: file.size_bytes for file in self.files.files_below()}
        if all(row.is_number for row in rows):
            num_classes = max(int(row.label) for row in rows) + 1
            class_ids = (integer_class_id(int(row.label), num_classes) for row in rows)
        else:
            class_ids = (row.label for row in rows)
        photos = (
            Photo(row.path, class_id, sizes.get(row.path, 0))
            for row, class_id in zip(rows, class_ids, strict=True)
        )
        return {"all": in_listing_order(photos)}

    def class_names(self) -> Mapping[str, str]:
        return {}

    def read(self, photo: Photo) -> bytes:
        if photo.path.startswith(("/", "../")) or "://" in photo.path:
            raise UnusablePhotoError("outside_source", "a path out of the table's folder")
        return self.files.read(photo.path)

    def _rows(self) -> list[_Row]:
        """The rows; their paths as the folder's listing has them."""
        rows: list[_Row] = []
        lines_of: dict[str, int] = {}
        with self.files.open(self.table) as file:
            for row in self._parsed(file):
                path = self._below(row.path)
                if (first := lines_of.setdefault(path, row.line)) != row.line:
                    raise self._wrong(row.line, f"{row.path!r} is also on line {first}: leave one of them")
                rows.append(row._replace(path=path))
        if not rows:
            raise BadSourceError(f"{self.location} lists no photos: {self._form}")
        return rows

    def _parsed(self, file: BinaryIO) -> Iterator[_Row]:
        if self.table.lower().endswith(CSV_ENDING):
            parse = self._csv_rows
        elif self.table.lower().endswith(JSONL_ENDING):
            parse = self._jsonl_rows
        else:
            raise BadSourceError(f"{self.location} is no table known here: give a .csv or a .jsonl file")
        try:
            with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
                yield from parse(text)
        except UnicodeDecodeError as error:
            raise BadSourceError(f"{self.location} is not UTF-8: {error.reason}; store it as such") from error

    def _csv_rows(self, text: io.TextIOWrapper) -> Iterator[_Row]:
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader, [])
            for column in ("path", "label"):
                if header.count(column) != 1:
                    raise self._wrong(1, f"{header.count(column)} columns are named {column}, of {header}")
            path, label = header.index("path"), header.index("label")
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise self._wrong(reader.line_num, f"{len(fields)} fields, but {len(header)} columns")
                yield self._row(
                    reader.line_num, fields[path], fields[label], is_number=_is_number(fields[label])
                )
        except csv.Error as error:
            raise self._wrong(reader.line_num, str(error)) from error

    def _jsonl_rows(self, text: io.TextIOWrapper) -> Iterator[_Row]:
        for line, written in enumerate(text, start=1):
            if not written.strip():
                continue
            try:
                entry = json.loads(written)
            except (ValueError, RecursionError) as error:
                raise self._wrong(line, f"no JSON: {error}") from error
            if not isinstance(entry, dict):
                raise self._wrong(line, "no object")
            path, label = entry.get("path"), entry.get("label")
            # True is an int, too.
            if not isinstance(path, str) or type(label) not in (str, int):
                raise self._wrong(line, "path has to be a string, label a string or a whole number")
            is_number = type(label) is int and _is_number(str(label))
            yield self._row(line, path, str(label), is_number=is_number)

    def _row(self, line: int, path: str, label: str, *, is_number: bool) -> _Row:
        if not path or not _is_text(path):
            raise self._wrong(line, f"the path {path!r} is empty or no Unicode")
        if not is_printable(label):
            raise self._wrong(line, f"the label {label!r} is empty or cannot be printed")
        if label.startswith("-") and label[1:].isdecimal():
            raise self._wrong(line, f"the label {label} is no class: leave out unlabelled photos")
        return _Row(line, path, label, is_number)

    def _below(self, path: str) -> str:
        """A path as the folder's listing has it; one out of the folder stays as it is, for the ledger."""
        path = path.removeprefix(self.files.location.rstrip("/") + "/")
        return path if "://" in path else posixpath.normpath(path)

    def _wrong(self, line: int, problem: str) -> BadSourceError:
        return BadSourceError(f"{self.location}, line {line}: {problem}; {self._form}")

    @property
    def _form(self) -> str:
        return _JSONL_FORM if self.table.lower().endswith(JSONL_ENDING) else _CSV_FORM


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdigit() and len(label) <= _MAX_DIGITS


def _is_text(value: str) -> bool:
    try:
        # File names are bytes to Linux, and JSON can hold those that are not UTF-8.
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
