"""Whether a dataset is still what its manifest says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import BadDatasetError, StoredFileDamagedError
from pipeline.shards.checksum import file_checksum
from pipeline.shards.manifest import Manifest, Shard, StatisticsRecord
from pipeline.shards.record import QUARANTINE_FILE
from pipeline.storage.node_cache import NodeCache
from pipeline.storage.opened import open_store
from pipeline.storage.stored_files import StoredFiles

if TYPE_CHECKING:
    from pipeline.storage.object_store import ObjectStore


class Fault(NamedTuple):
    """One file that is not as it was written: its name, and what is wrong with it."""

    file: str
    detail: str


def verify(dataset_dir: Path) -> Iterator[Fault]:
    """Reads every file of a dataset and yields a fault for each that is missing, cut short or changed.

    The ledger of quarantined photos has no checksum: its lines are counted and parsed.
    Raises `BadDatasetError` when the manifest itself cannot be read.
    """
    manifest = Manifest.load(dataset_dir)
    for split in manifest.splits.values():
        yield from verify_shards(dataset_dir, split.shards)
    yield from verify_statistics(dataset_dir, manifest.statistics)
    yield from _check_ledger(dataset_dir / QUARANTINE_FILE, manifest.quarantined)


def verify_shards(dataset_dir: Path, shards: Iterable[Shard]) -> Iterator[Fault]:
    """Faults of these shards alone; those in object storage are fetched, one at a time."""
    stored = StoredFiles.of(dataset_dir)
    if stored is not None:
        yield from _faults_in_storage(open_store(stored.url), shards)
        return
    for shard in shards:
        yield from _check(dataset_dir / shard.file, shard.xxh3_128, shard.size_bytes)


def verify_statistics(dataset_dir: Path, statistics: StatisticsRecord) -> Iterator[Fault]:
    """A fault of statistics.npz, if it has one."""
    yield from _check(dataset_dir / statistics.file, statistics.xxh3_128, None)


def refuse_damaged(dataset_dir: Path, faults: Iterable[Fault]) -> None:
    """Raises `BadDatasetError` naming every fault, if there are any."""
    named = "; ".join(f"{fault.file} {fault.detail}" for fault in faults)
    if named:
        raise BadDatasetError(f"{dataset_dir} is damaged: {named}; prepare it again")


def _faults_in_storage(store: ObjectStore, shards: Iterable[Shard]) -> Iterator[Fault]:
    cache = NodeCache.of_this_node()
    for shard in shards:
        # A copy that this node has already says nothing of what others would fetch.
        with cache.scratch() as folder:
            copy = folder / shard.file
            try:
                with copy.open("wb") as target:
                    store.fetch(shard.file, target)
            except StoredFileDamagedError as error:
                yield Fault(shard.file, error.detail)
            else:
                yield from _check(copy, shard.xxh3_128, shard.size_bytes)


def _check(path: Path, checksum: str, size_bytes: int | None) -> Iterator[Fault]:
    try:
        found_bytes = path.stat().st_size
        if size_bytes is not None and found_bytes != size_bytes:
            yield Fault(path.name, f"has {found_bytes} bytes instead of {size_bytes}")
        elif (found := file_checksum(path)) != checksum:
            yield Fault(path.name, f"has checksum {found} instead of {checksum}")
    except OSError as error:
        yield Fault(path.name, f"cannot be read: {error.strerror}")


def _check_ledger(path: Path, quarantined: int) -> Iterator[Fault]:
    count, unreadable = 0, 0
    try:
        with path.open("rb") as file:
            for line in file:
                count += 1
                if not unreadable and not _is_object(line):
                    unreadable = count
    except OSError as error:
        yield Fault(path.name, f"cannot be read: {error.strerror}")
        return
    if count != quarantined:
        yield Fault(path.name, f"has {count} lines instead of {quarantined}")
    elif unreadable:
        yield Fault(path.name, f"has a line that is not a JSON object: line {unreadable}")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    # A line may be nested as deep as damage makes it.
    except (ValueError, RecursionError):
        return False
