"""Shards where this machine can read them: beside their manifest, or fetched into the node's cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import BadDatasetError, StoredFileDamagedError
from pipeline.shards.manifest import Shard
from pipeline.storage.node_cache import NodeCache
from pipeline.storage.stored_files import Checksum, StoredFile, StoredFiles


class LocalShards:
    """`paths` are those of the shards, in their order. They stay for as long as this is held.

    Raises `BadDatasetError` for a shard that is missing in object storage, or not what the manifest says;
    `StorageUnavailableError`, and `NodeCacheFullError` where the shards do not fit into the cache.
    """

    def __init__(self, dataset_dir: Path, shards: Sequence[Shard]) -> None:
        self.paths = tuple(dataset_dir / shard.file for shard in shards)
        stored = StoredFiles.of(dataset_dir)
        if stored is None:
            return
        try:
            self._lease = NodeCache.of_this_node().lease([_stored(stored.url, shard) for shard in shards])
        except StoredFileDamagedError as error:
            raise BadDatasetError(f"{dataset_dir} is damaged: {error}") from error
        self.paths = tuple(self._lease.paths[shard.file] for shard in shards)


def _stored(url: str, shard: Shard) -> StoredFile:
    return StoredFile(url, shard.file, shard.size_bytes, Checksum("xxh3_128", shard.xxh3_128))
