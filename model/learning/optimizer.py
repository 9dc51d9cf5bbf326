"""The paper's update rule (P §5), written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class MomentumDescent:
    """v ← momentum·v − weight_decay·lr·w − lr·g;  w ← w + v.

    The learning rate stands inside v, so a drop of it leaves the steps already taken at full length.
    torch.optim.SGD keeps it outside, and would shorten them.
    """

    def __init__(
        self, named_parameters: Iterable[tuple[str, nn.Parameter]], momentum: float, weight_decay: float
    ) -> None:
        self._parameters = dict(named_parameters)
        self._momentum = momentum
        self._weight_decay = weight_decay
        self.velocity = {name: torch.zeros_like(weight) for name, weight in self._parameters.items()}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update; a parameter without a gradient stays as it is."""
        for name, weight in self._parameters.items():
            if weight.grad is None:
                continue
            velocity = self.velocity[name].mul_(self._momentum)
            velocity.sub_(weight, alpha=self._weight_decay * learning_rate)
            velocity.sub_(weight.grad, alpha=learning_rate)
            weight.add_(velocity)

    @torch.no_grad()
    def load_velocity(self, velocity: Mapping[str, Tensor]) -> None:
        """Takes over a velocity for each parameter, by the parameters' names."""
        for name, own in self.velocity.items():
            own.copy_(velocity[name])
