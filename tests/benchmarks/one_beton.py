"""Shards made one .beton, for loaders that read one file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ffcv.reader import Reader


def write_one_beton(shards: Sequence[Path], target: Path) -> None:
    """Writes what FFCV would have written of all the shards' samples, in the shards' order."""
    readers = [Reader(os.fspath(shard)) for shard in shards]
    first = readers[0]
    page_size = int(first.page_size)
    metadata = np.concatenate([reader.metadata for reader in readers])
    table = np.concatenate([reader.alloc_table for reader in readers])
    header = first.header.copy()
    begin = -(-(header.nbytes + first.field_descriptors.nbytes + metadata.nbytes) // page_size) * page_size
    number = 0
    with target.open("wb") as file:
        for shard, reader in zip(shards, readers, strict=True):
            places = reader.alloc_table
            pages = int(places["ptr"].min()) // page_size * page_size
            used_bytes = int((places["ptr"] + places["size"]).max()) - pages
            mine = slice(number, number + len(reader.metadata))
            metadata["f0"]["data_ptr"][mine] += np.uint64(begin - pages)
            table["ptr"][mine] += np.uint64(begin - pages)
            table["sample_id"][mine] += np.uint64(number)
            with shard.open("rb") as source:
                _copy(source.fileno(), pages, file.fileno(), begin, used_bytes)
            begin, number = begin + -(-used_bytes // page_size) * page_size, mine.stop
        file.seek(begin)
        file.write(table.tobytes())
        header["num_samples"], header["alloc_table_ptr"] = number, begin
        file.seek(0)
        for part in (header, first.field_descriptors, metadata):
            file.write(part.tobytes())


def _copy(source: int, source_offset: int, target: int, target_offset: int, num_bytes: int) -> None:
    while num_bytes:
        copied = os.copy_file_range(source, target, num_bytes, source_offset, target_offset)
        num_bytes, source_offset, target_offset = (
            num_bytes - copied,
            source_offset + copied,
            target_offset + copied,
        )
