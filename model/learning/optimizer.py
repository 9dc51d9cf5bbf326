"""The paper's update rule (P §5), written out."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from model.cache_slices import cache_slices
from model.learning.lars import Lars
from model.learning.optimizer_config import LarsConfig
from model.learning.rates import Rates
from model.learning.recipe import RecipeConfig
from model.learning.velocity import Velocity
from model.network.canonical import canonical_name


class MomentumDescent(Velocity):
    """v ← momentum·v − weight_decay·lr·w − lr·g;  w ← w + v.

    The learning rate stands inside v, so a drop of it leaves the steps already taken at full length.
    torch.optim.SGD keeps it outside, and would shorten them.

    A bias's lr is `bias_rate_factor` times its layer's, and its weight_decay is 0 unless `decay_biases`.
    At a rate of 0 a parameter is frozen: it does not coast on, and its v stays too (S, src/weights.cu).
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        momentum: float,
        weight_decay: float,
        *,
        bias_rate_factor: float = 1.0,
        decay_biases: bool = True,
    ) -> None:
        super().__init__(named_parameters)
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._bias_rate_factor = bias_rate_factor
        self._decay_biases = decay_biases

    @torch.no_grad()
    def step(self, rates: Rates) -> None:
        """One update; a parameter without a gradient stays as it is."""
        for name, weight in self._parameters.items():
            is_bias = name.endswith("bias")
            rate = rates.of(name) * (self._bias_rate_factor if is_bias else 1.0)
            if weight.grad is None or rate == 0:
                continue
            decay = self._weight_decay if self._decay_biases or not is_bias else 0.0
            for v, w, g in cache_slices(self.velocity[name], weight, weight.grad):
                v.mul_(self._momentum)
                if decay:
                    v.sub_(w, alpha=decay * rate)
                v.sub_(g, alpha=rate)
                w.add_(v)


def optimizer_of(
    recipe: RecipeConfig, named_parameters: Iterable[tuple[str, nn.Parameter]]
) -> MomentumDescent | Lars:
    """The recipe's update rule for a network's parameters, by their names there.

    Raises ValueError when the recipe's schedule has rates for layers that the network does not have.
    """
    named_parameters = dict(named_parameters).items()
    if wanted := recipe.layers_with_own_rate:
        present = {canonical_name(name).partition(".")[0] for name, _ in named_parameters}
        if absent := wanted - present:
            raise ValueError(
                f"schedule has learning rates for {', '.join(sorted(absent))}, and the network's layers are"
                f" {', '.join(sorted(present))}"
            )
    settings = recipe.optimizer
    if isinstance(settings, LarsConfig):
        return Lars(named_parameters, recipe.momentum, recipe.weight_decay, settings.trust_coefficient)
    return MomentumDescent(
        named_parameters,
        recipe.momentum,
        recipe.weight_decay,
        bias_rate_factor=settings.bias_rate_factor,
        decay_biases=settings.decay_biases,
    )
