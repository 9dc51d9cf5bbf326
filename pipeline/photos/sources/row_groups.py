"""Row groups of Parquet files, read as few times as there is room to keep them."""

from __future__ import annotations

import os
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import xxhash

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.files import Files
from pipeline.photos.sources.parquet_table import ParquetTable

_CACHED_BYTES: Final = 128 * 2**20
_OPEN_TABLES: Final = 64
_COLUMN: Final = "photo"


class RowGroups:
    """The photos of Parquet files by row, for one process.

    Nothing smaller than a row group can be read from Parquet, and a hundred photos are one as a rule. With a
    folder `kept`, each is unpacked there when the first of its photos is read, for every process that shares
    the folder; without one, the last few stay in memory.
    """

    def __init__(self, files: Files, kept: Path | None) -> None:
        self._files = files
        self._kept = kept
        self._tables: OrderedDict[str, ParquetTable] = OrderedDict()
        self._groups: OrderedDict[tuple[str, int], Any] = OrderedDict()

    def photo(self, path: str, row: int) -> bytes | None:
        """A photo's bytes; None where its row has none.

        Raises `UnusablePhotoError` when the file is damaged there, and OSError when `kept` cannot be written.
        """
        try:
            table = self._table(path)
        except BadSourceError as error:
            raise UnusablePhotoError("unreadable", str(error)) from error
        number, place = table.place_of(row)
        value: bytes | None = self._group(table, path, number)[place].as_py()
        return value

    def _table(self, path: str) -> ParquetTable:
        if path not in self._tables:
            self._tables[path] = ParquetTable(self._files, path)
            if len(self._tables) > _OPEN_TABLES:
                self._tables.popitem(last=False)
        self._tables.move_to_end(path)
        return self._tables[path]

    def _group(self, table: ParquetTable, path: str, number: int) -> Any:
        key = path, number
        if key not in self._groups:
            self._groups[key] = (
                _read(table, number) if self._kept is None else _unpacked(table, number, self._place(key))
            )
            while (
                len(self._groups) > 1 and sum(group.nbytes for group in self._groups.values()) > _CACHED_BYTES
            ):
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key]

    def _place(self, key: tuple[str, int]) -> Path:
        assert self._kept is not None
        path, number = key
        self._kept.mkdir(exist_ok=True)
        return (
            self._kept / f"{xxhash.xxh3_64_hexdigest(path.encode('utf-8', 'surrogateescape'))}-{number}.arrow"
        )


def _read(table: ParquetTable, number: int) -> Any:
    try:
        return table.photos(number)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnusablePhotoError("unreadable", " ".join(str(error).split())[:300]) from error


def _unpacked(table: ParquetTable, number: int, place: Path) -> Any:
    """The photos of a row group in a file of their own, mapped: what is read of it is what is asked for."""
    if not place.exists():
        photos = _read(table, number)
        # Of nodes that share the folder, processes may have the same number.
        aside = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        batches = pa.table({_COLUMN: photos})
        with pa.OSFile(os.fspath(aside), "wb") as file, pa.ipc.new_file(file, batches.schema) as writer:
            writer.write_table(batches)
        aside.rename(place)
    with pa.memory_map(os.fspath(place)) as mapped:
        return pa.ipc.open_file(mapped).read_all().column(_COLUMN)
