"""Layer-wise adaptive rate scaling, for large batches (You, Gitman, Ginsburg, 1708.03888, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from model.learning.rates import Rates
from model.learning.velocity import Velocity
from model.network.canonical import canonical_name


class Lars(Velocity):
    """λ = η·‖w‖ / (‖g‖ + weight_decay·‖w‖);  v ← momentum·v − λ·lr·(g + weight_decay·w);  w ← w + v.

    w is the whole of a layer's weights, or of its biases: the blocks of one canonical tensor, on whatever
    devices, share one λ. Weights and biases are told apart and treated alike: the paper lists their norms
    separately (table 2), and its algorithm leaves no layer out of the decay. Where either norm is 0, as the
    biases' is at first, λ is 1, as in the authors' own code (NVCaffe's GetLocalRate). The paper's v has the
    opposite sign; here it is what is added to w, for every optimizer.
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        momentum: float,
        weight_decay: float,
        trust_coefficient: float,
    ) -> None:
        super().__init__(named_parameters)
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._trust_coefficient = trust_coefficient
        self._blocks: dict[str, list[str]] = {}
        for name in self._parameters:
            self._blocks.setdefault(canonical_name(name), []).append(name)

    @torch.no_grad()
    def step(self, rates: Rates) -> None:
        """One update. A layer that lacks a gradient stays as it is, and so does one whose rate is 0."""
        for blocks in self._blocks.values():
            rate = rates.of(blocks[0])
            weights = [self._parameters[name] for name in blocks]
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            if rate == 0 or len(gradients) < len(weights):
                continue
            local_rate = self._trust(weights, gradients).mul_(-rate)
            for name, weight, gradient in zip(blocks, weights, gradients, strict=True):
                step = local_rate.to(device=weight.device, dtype=weight.dtype)
                velocity = self.velocity[name].mul_(self._momentum)
                velocity.addcmul_(gradient, step)
                velocity.addcmul_(weight, step, value=self._weight_decay)
                weight.add_(velocity)

    def _trust(self, weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
        """λ, float64, on the first block's device: a GPU is not waited for."""
        weight_norm, gradient_norm = _norm(weights), _norm(gradients)
        ratio = weight_norm / (gradient_norm + self._weight_decay * weight_norm) * self._trust_coefficient
        return torch.where((weight_norm > 0) & (gradient_norm > 0), ratio, 1.0)


def _norm(blocks: Sequence[Tensor]) -> Tensor:
    """‖·‖₂ of all blocks together, summed in float64 in their order."""
    first = blocks[0].device
    norms = [torch.linalg.vector_norm(block, dtype=torch.float64).to(first) for block in blocks]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm
