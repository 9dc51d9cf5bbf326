"""How a network's errors went down while it trained. Errors are fractions in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """After `epoch` epochs, that is `step` steps: the epoch's mean loss in nats, and the errors of the
    network as it then was, without dropout, on centre views. Before the first step there is no loss."""

    epoch: int
    step: int
    train_loss: float | None
    train_error: float
    test_error: float


Curve = Sequence[Point]
