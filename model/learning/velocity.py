"""What an optimizer with momentum remembers from step to step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Velocity:
    """A network's parameters and, of each, what its last step added to it: zeros before the first."""

    def __init__(self, named_parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        self._parameters = dict(named_parameters)
        self.velocity = {name: torch.zeros_like(weight) for name, weight in self._parameters.items()}

    @torch.no_grad()
    def load_velocity(self, velocity: Mapping[str, Tensor]) -> None:
        """Takes over a velocity for each parameter, by the parameters' names."""
        for name, own in self.velocity.items():
            own.copy_(velocity[name])
