"""Local response normalisation (P §3.3): one operation, with its own backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# P §3.3. β is fixed at 3/4 because u^(−3/4) is then two square roots, several times cheaper than a power.
WINDOW = 5
ALPHA = 1e-4
BETA = 0.75
K = 2.0


class _LocalResponseNorm(torch.autograd.Function):
    # u = k + α·Σ a², summed over the channel's neighbours; b = a·u^(−β).
    # Kept for backward is r = u^(−1/2), from which u^(−β) = r·√r and 1/u = r².

    @staticmethod
    def forward(ctx: Any, activations_NCHW: Tensor) -> Tensor:
        root = _sum_over_neighbours(activations_NCHW.square()).mul_(ALPHA).add_(K).rsqrt_()
        ctx.save_for_backward(activations_NCHW, root)
        return root.sqrt().mul_(root).mul_(activations_NCHW)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NCHW: Tensor) -> Tensor:
        # ∂/∂aⱼ = gⱼ·uⱼ^(−β) − 2αβ·aⱼ·Σ gᵢ·bᵢ/uᵢ, over the i whose windows hold j: again j's neighbours.
        activations, root = ctx.saved_tensors
        direct = root.sqrt().mul_(root).mul_(gradient_NCHW)
        shared = _sum_over_neighbours((direct * activations).mul_(root).mul_(root))
        gradient: Tensor = direct.sub_(shared.mul_(activations), alpha=2 * ALPHA * BETA)
        return gradient


def _sum_over_neighbours(values_NCHW: Tensor) -> Tensor:
    """Each channel plus the WINDOW // 2 on either side of it, as far as there are any."""
    channels = values_NCHW.shape[1]
    total = values_NCHW.clone()
    for distance in range(1, min(WINDOW // 2, channels - 1) + 1):
        overlap = channels - distance
        total.narrow(1, distance, overlap).add_(values_NCHW.narrow(1, 0, overlap))
        total.narrow(1, 0, overlap).add_(values_NCHW.narrow(1, distance, overlap))
    return total


def local_response_norm(activations_NCHW: Tensor) -> Tensor:
    """bᵢ = aᵢ / (k + α·Σ aⱼ²)^β over the n channels around i, k=2, n=5, α=1e-4, β=0.75 (P §3.3).

    The sum is not divided by n, unlike torch.nn.LocalResponseNorm's. A tower passes its own channels only,
    so that no window reaches into another tower. Any floating dtype and memory format; same shape out.
    """
    normalized: Tensor = _LocalResponseNorm.apply(activations_NCHW)  # type: ignore[no-untyped-call]
    return normalized
