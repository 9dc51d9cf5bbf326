"""An order for data larger than memory: shuffled, and yet read a few blocks at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.permutation import Purpose, permutation


@dataclass(frozen=True, eq=False)
class BlockShuffle:
    """Blocks of neighbouring samples, shuffled among each other in windows of some blocks at a time.

    `blocks` int64 [num_samples] says which block each position is in, counted from 0. In every epoch the
    blocks are put into a random order and dealt into windows of `blocks_per_window`; the samples of a window
    come in an order as random as if there were no others. What is being read at any time is one window, or
    two where a batch reaches from one into the next.
    """

    blocks: NDArray[np.int64]
    blocks_per_window: int

    @classmethod
    def of_pages(
        cls, pointers: NDArray[np.uint64], page_size: int, *, block_bytes: int, window_bytes: int
    ) -> Self:
        """Blocks of whole pages, as many as fit into `block_bytes`, and windows of whole blocks; one at
        least.

        `pointers` uint64 [num_samples] are the samples' addresses, by position.
        """
        pages_per_block = max(1, block_bytes // page_size)
        numbers = pointers // np.uint64(page_size * pages_per_block)
        blocks = np.unique(numbers, return_inverse=True)[1]
        return cls(blocks, max(1, window_bytes // (page_size * pages_per_block)))

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch: int64 [num_samples], positions."""
        num_blocks = int(self.blocks.max()) + 1
        windows = np.empty(num_blocks, np.int64)
        dealt = permutation(num_blocks, Purpose.BLOCKS, seed=seed, number=epoch)
        windows[dealt] = np.arange(num_blocks) // self.blocks_per_window
        shuffled = permutation(len(self.blocks), Purpose.EPOCH, seed=seed, number=epoch)
        return shuffled[np.argsort(windows[self.blocks[shuffled]], kind="stable")]
