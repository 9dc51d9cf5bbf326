"""Shards whose bytes are compared with the manifest before their photos are used."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from pipeline.batches.reader import SplitReader, is_raw
from pipeline.errors import BadDatasetError
from pipeline.shards.checksum import file_checksum


class ShardCheck:
    """Finds photos that cannot be trusted: those without a checksum of their own, in shards that have
    changed.

    Each shard is read once, whole, when the first such photo of it is asked for.
    """

    def __init__(self, reader: SplitReader) -> None:
        self._reader = reader
        sealed = reader.manifest.sample_checksum is not None
        self._unsealed = is_raw(reader.metadata) if sealed else np.ones(reader.num_samples, np.bool_)
        self._unchecked = np.ones(len(reader.shards), np.bool_)
        self._changed = np.zeros(len(reader.shards), np.bool_)

    def untrusted(self, positions: NDArray[np.int64], threads: Executor) -> NDArray[np.bool_]:
        """Which photos at these positions are not to be used: bool [N].

        Raises `BadDatasetError` for a shard that cannot be read.
        """
        unsealed = self._unsealed[positions]
        shards = self._reader.shards_of(positions)
        touched = np.unique(shards[unsealed])
        new = touched[self._unchecked[touched]]
        self._changed[new] = list(threads.map(self._has_changed, new.tolist()))
        self._unchecked[new] = False
        return unsealed & self._changed[shards]

    def _has_changed(self, number: int) -> bool:
        path = self._reader.paths[number]
        try:
            return file_checksum(path) != self._reader.shards[number].xxh3_128
        except OSError as error:
            raise BadDatasetError(f"{path} cannot be read: {error.strerror}") from error
