"""Where and how views are cut out of photos. N photos, V views of each."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Choices(NamedTuple):
    """One set for each view, on the CPU; M is [N] for one view of each photo, or [N, V].

    `tops` and `lefts` int64 [M] place the crop, `flips` bool [M] mirror it, and `colours` float32 [M, 3] are
    added to every pixel's R, G and B.
    """

    tops: torch.Tensor
    lefts: torch.Tensor
    flips: torch.Tensor
    colours: torch.Tensor

    def flat(self) -> Choices:
        """[N·V], the views of a photo one after another."""
        return Choices(
            self.tops.flatten(), self.lefts.flatten(), self.flips.flatten(), self.colours.flatten(0, -2)
        )
