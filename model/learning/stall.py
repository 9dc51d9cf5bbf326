"""Whether a network learns anything at all."""

from __future__ import annotations

import math

STALLED_STEPS = 2000
_SHARE_OF_CHANCE = 0.01


class StallWatch:
    """Notices a loss that stays where guessing among the classes leaves it: at ln(num_classes), give or take
    1 %, for 2,000 steps in a row. It counts from where training began or was resumed."""

    def __init__(self, num_classes: int) -> None:
        self.chance = math.log(num_classes)
        self._steps = 0

    def stalled(self, loss: float) -> bool:
        """Takes note of a step's loss, in nats; True for the step at which it has been so for that long."""
        near = abs(loss - self.chance) <= _SHARE_OF_CHANCE * self.chance
        self._steps = self._steps + 1 if near else 0
        return self._steps == STALLED_STEPS
