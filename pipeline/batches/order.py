"""Which samples make up which batch: a pure function of seed, epoch and step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.batches.block_shuffle import BlockShuffle
from pipeline.permutation import Purpose, permutation


@dataclass(frozen=True)
class BatchOrder:
    """The global batches of a split, and one rank's share of each.

    Global batch g is places [g·B, (g+1)·B) of the epoch's order, whatever the world size; the ranks' shares
    of it are consecutive and differ by one sample at most. `shuffled` orders drop an incomplete last batch,
    others keep it, so that every sample is seen once. `blocks` shuffles blocks instead of all samples at
    once. Raises ValueError for numbers that do not fit together.
    """

    num_samples: int
    batch_size: int
    shuffled: bool
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    blocks: BlockShuffle | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} is less than one sample")
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank={self.rank} is not below world_size={self.world_size}")
        if self.shuffled and self.batch_size < self.world_size:
            raise ValueError(
                f"batch_size={self.batch_size} leaves nothing for some of world_size={self.world_size} ranks"
            )
        if self.shuffled and self.batch_size > self.num_samples:
            raise ValueError(
                f"batch_size={self.batch_size} is more than the {self.num_samples} samples there are"
            )

    def __len__(self) -> int:
        """Batches in an epoch for this rank; a last one too small to go round is missing for some ranks."""
        full, rest = divmod(self.num_samples, self.batch_size)
        return full + (not self.shuffled and self._share(rest) != (0, 0))

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """The order of the whole split in an epoch: int64 [num_samples], positions among all shards."""
        if not self.shuffled:
            return np.arange(self.num_samples)
        if self.blocks is not None:
            return self.blocks.order(self.seed, epoch)
        return permutation(self.num_samples, Purpose.EPOCH, seed=self.seed, number=epoch)

    def batch(self, order: NDArray[np.int64], step: int) -> NDArray[np.int64]:
        """This rank's share of an epoch's global batch `step`: int64 [N]."""
        batch = order[step * self.batch_size : (step + 1) * self.batch_size]
        start, end = self._share(len(batch))
        return batch[start:end]

    def _share(self, size: int) -> tuple[int, int]:
        start, end = (size * rank // self.world_size for rank in (self.rank, self.rank + 1))
        return (start, end) if start < end else (0, 0)
