"""Which photo goes into which shard, and where in it: fixed before the first shard is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.permutation import Purpose, permutation


@dataclass(frozen=True)
class PlannedShard:
    """A shard to be: its file's name, and the sample_ids of its photos in the order they are written."""

    file: str
    sample_ids: NDArray[np.int64]


def plan_shards(
    split: str, number: int, num_photos: int, shard_size: int, *, seed: int
) -> list[PlannedShard]:
    """Shuffles a whole split and deals it out to shards of nearly equal size, `shard_size` at most.

    `number` is the split's place among the splits: no two are shuffled alike.
    """
    order = permutation(num_photos, Purpose.SHARDS, seed=seed, number=number)
    num_shards = -(-num_photos // shard_size)
    return [
        PlannedShard(f"{split}-{index:05d}.beton", sample_ids)
        for index, sample_ids in enumerate(np.array_split(order, num_shards))
    ]
