"""The loss of an epoch in training, while it comes about. Import-light: a checkpoint's record holds it."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from model.learning.strict import Strict


class EpochLoss(Strict):
    """The sum of the losses of an epoch's steps so far, in nats and in their order, and how many they are.

    The sum is that of float64 numbers one after the other, so that an epoch which goes on from a checkpoint
    comes to the bits of one that was never left.
    """

    total: float = 0.0
    steps: int = Field(default=0, ge=0)

    def after(self, loss: float) -> EpochLoss:
        """With one step more."""
        return EpochLoss(total=self.total + loss, steps=self.steps + 1)

    @property
    def mean(self) -> float | None:
        """None before the first step."""
        return self.total / self.steps if self.steps else None


NO_STEPS: Final = EpochLoss()
