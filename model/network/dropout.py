"""Dropout whose chance does not depend on how many ranks share a batch.

Shapes: N images of this rank, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Share:
    """What one of `world_size` ranks holds of a global batch: images `start` up to, not including, `stop`.

    Shares are consecutive and differ by one image at most, as the loader deals them out.
    """

    start: int
    stop: int
    global_batch_size: int
    world_size: int

    @classmethod
    def of(cls, rank: int, world_size: int, global_batch_size: int) -> Share:
        start, stop = (global_batch_size * number // world_size for number in (rank, rank + 1))
        return cls(start, stop, global_batch_size, world_size)

    @property
    def images(self) -> int:
        return self.stop - self.start

    @property
    def weight(self) -> float:
        """What a mean over the share counts in a mean over all ranks; 1 where shares are equal."""
        return self.images * self.world_size / self.global_batch_size


class Dropout(nn.Module):
    """Drops hidden units while training (P §4.2), features [N, F] of `towers` side by side.

    Tower by tower, so that chance has the same order whether they are computed together or apart. A rank
    that shares a batch draws for all of it and keeps what falls on its own images: with generators seeded
    alike on all ranks, an image loses the same units at any world size.
    """

    def __init__(self, probability: float, towers: int) -> None:
        super().__init__()
        self._probability = probability
        self._towers = towers
        self.share: Share | None = None
        """The share of a global batch that the features are of; None where there is one rank."""

    def forward(self, features_NF: Tensor) -> Tensor:
        if not self.training or self._probability == 0:
            return features_NF
        kept = [self._drop(tower_NF) for tower_NF in features_NF.chunk(self._towers, dim=1)]
        return kept[0] if len(kept) == 1 else torch.cat(kept, dim=1)

    def _drop(self, features_NF: Tensor) -> Tensor:
        if self.share is None:
            return F.dropout(features_NF, self._probability)
        everyone = features_NF.new_ones(self.share.global_batch_size, features_NF.shape[1])
        scales = F.dropout(everyone, self._probability)[self.share.start : self.share.stop]
        # Fewer than the share where damaged photos were left out.
        return features_NF * scales[: len(features_NF)]


def share_batch(network: nn.Module, share: Share) -> None:
    """Tells a network's dropout which images of the global batches it is going to see."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.share = share if share.world_size > 1 else None
