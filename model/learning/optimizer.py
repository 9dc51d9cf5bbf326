"""The paper's update rule, written out."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class PaperSGD:
    """v ← μ·v − λ·ε·w − ε·∂L/∂w, then w ← w + v (P §5), ε the learning rate.

    torch.optim.SGD keeps ε out of v, so that the two part ways for a while whenever ε changes.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, momentum: float, weight_decay: float) -> None:
        self._parameters: list[Tensor] = list(parameters)
        self._velocities = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._momentum = momentum
        self._weight_decay = weight_decay

    @property
    def velocities(self) -> list[Tensor]:
        """v, in the order of the parameters; a checkpoint holds them."""
        return self._velocities

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Updates every parameter from its gradient, which it must have."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        assert len(gradients) == len(self._parameters)
        torch._foreach_mul_(self._velocities, self._momentum)
        torch._foreach_add_(self._velocities, self._parameters, alpha=-self._weight_decay * learning_rate)
        torch._foreach_add_(self._velocities, gradients, alpha=-learning_rate)
        torch._foreach_add_(self._parameters, self._velocities)

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None
