"""Dropout whose chance depends neither on how many ranks share a batch nor on how towers are computed.

Shapes: N images of this rank, G of the global batch, F features of all towers at hand.
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

    That holds on CPUs, and on GPUs of one kind: which unit a number falls on is decided by the kernel that
    draws it, by how wide the GPU is and by the dtype. Towers on GPUs of their own draw each from its GPU's
    generator, seeded as `model.learning.chance` says. What torch.compile makes of this draws otherwise.
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
        if self.share is None and self._towers == 1:
            return F.dropout(features_NF.contiguous(), self._probability)
        return features_NF * self._scales(features_NF)

    def _scales(self, features_NF: Tensor) -> Tensor:
        """What each feature is multiplied by: 0, or what makes up for those dropped; [N, F]."""
        images = len(features_NF) if self.share is None else self.share.global_batch_size
        # Drawn for a dense tensor, never for a tower's columns of a wider one: CUDA deals its numbers out
        # otherwise to those.
        everyone_GF = features_NF.new_ones(images, features_NF.shape[1] // self._towers)
        drawn = [self._own(F.dropout(everyone_GF, self._probability)) for _ in range(self._towers)]
        scales_NF = drawn[0] if len(drawn) == 1 else torch.cat(drawn, dim=1)
        # Fewer than the share where damaged photos were left out.
        return scales_NF[: len(features_NF)]

    def _own(self, everyone_GF: Tensor) -> Tensor:
        return everyone_GF if self.share is None else everyone_GF[self.share.start : self.share.stop]


def share_batch(network: nn.Module, share: Share) -> None:
    """Tells a network's dropout which images of the global batches it is going to see."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.share = share if share.world_size > 1 else None
