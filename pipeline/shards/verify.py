"""Whether a dataset is still what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.shards.checksum import file_checksum
from pipeline.shards.manifest import Manifest


class Fault(NamedTuple):
    """One file that is not as it was written: its name, and what is wrong with it."""

    file: str
    detail: str


def verify(dataset_dir: Path) -> Iterator[Fault]:
    """Reads every file of a dataset and yields a fault for each that is missing, cut short or changed.

    Raises `BadDatasetError` when the manifest itself cannot be read.
    """
    manifest = Manifest.load(dataset_dir)
    for split in manifest.splits.values():
        for shard in split.shards:
            yield from _check(dataset_dir / shard.file, shard.xxh3_128, shard.size_bytes)
    yield from _check(dataset_dir / manifest.statistics.file, manifest.statistics.xxh3_128, None)


def _check(path: Path, checksum: str, size_bytes: int | None) -> Iterator[Fault]:
    try:
        found_bytes = path.stat().st_size
        if size_bytes is not None and found_bytes != size_bytes:
            yield Fault(path.name, f"has {found_bytes} bytes instead of {size_bytes}")
        elif (found := file_checksum(path)) != checksum:
            yield Fault(path.name, f"has checksum {found} instead of {checksum}")
    except OSError as error:
        yield Fault(path.name, f"cannot be read: {error.strerror}")
