"""Local response normalisation (P §3.3): one operation, with its own backward.

Shapes: N images, C channels of all towers at hand, T towers, H×W a map.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.cache_slices import cache_slices

# P §3.3. β is fixed at 3/4 because u^(−3/4) is then two square roots, several times cheaper than a power.
WINDOW = 5
ALPHA = 1e-4
BETA = 0.75
K = 2.0

# The 2012 source's norm within maps, whose k was its default.
_MAP_SIDE = 5
_MAP_ALPHA = 1e-3
_MAP_K = 1.0


# One thread makes the one pass; with more than so many, torch's many passes should be as fast: an estimate
# from one and two threads.
_FASTER_UP_TO_THREADS = 4


class _LocalResponseNorm(torch.autograd.Function):
    # u = k + α·Σ a², summed over the channel's neighbours; b = a·u^(−β). With r = u^(−1/2), u^(−β) is r·√r
    # and 1/u is r². Backward computes r again, in the cache, which takes less time than to store and load it.

    @staticmethod
    def forward(ctx: Any, activations_NTCHW: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(activations_NTCHW)
        ctx.alpha = alpha
        normalized = torch.empty_like(activations_NTCHW)
        if _suits_one_pass(activations_NTCHW):
            # Numba is there only where it is wanted: it takes a fifth of a second and 130 MB.
            from model.network.lrn_native import normalize

            values_RTC, normalized_RTC = _rows(activations_NTCHW).numpy(), _rows(normalized).numpy()
            normalize(values_RTC, normalized_RTC, np.float32(alpha), np.float32(K))
            return normalized
        for a, b in cache_slices(activations_NTCHW, normalized):
            root = _root(a, alpha)
            torch.sqrt(root, out=b).mul_(root).mul_(a)
        return normalized

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NTCHW: Tensor) -> tuple[Tensor, None]:
        # ∂/∂aⱼ = gⱼ·uⱼ^(−β) − 2αβ·aⱼ·Σ gᵢ·bᵢ/uᵢ, over the i whose windows hold j: again j's neighbours.
        (activations,) = ctx.saved_tensors
        result = torch.empty_like(activations)
        for a, g, direct in cache_slices(activations, gradient_NTCHW, result):
            root = _root(a, ctx.alpha)
            torch.sqrt(root, out=direct).mul_(root).mul_(g)
            shared = _sum_over_neighbours((direct * a).mul_(root).mul_(root))
            direct.addcmul_(shared, a, value=-2 * ctx.alpha * BETA)
        return result, None


def _suits_one_pass(activations_NTCHW: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and activations_NTCHW.device.type == "cpu"
        and activations_NTCHW.dtype == torch.float32
        and torch.get_num_threads() <= _FASTER_UP_TO_THREADS
        and _channels_last(activations_NTCHW).is_contiguous()
    )


def _channels_last(activations_NTCHW: Tensor) -> Tensor:
    return activations_NTCHW.detach().permute(0, 3, 4, 1, 2)


def _rows(activations_NTCHW: Tensor) -> Tensor:
    """A view of maps that lie channels last: [N·H·W, T, C]."""
    return _channels_last(activations_NTCHW).flatten(0, 2)


def _root(activations_NTCHW: Tensor, alpha: float) -> Tensor:
    return _sum_over_neighbours(activations_NTCHW.square()).mul_(alpha).add_(K).rsqrt_()


def _sum_over_neighbours(values_NTCHW: Tensor) -> Tensor:
    """Each channel plus the WINDOW // 2 on either side of it, as far as its tower has any."""
    channels = values_NTCHW.shape[2]
    total = values_NTCHW.clone()
    for distance in range(1, min(WINDOW // 2, channels - 1) + 1):
        overlap = channels - distance
        total.narrow(2, distance, overlap).add_(values_NTCHW.narrow(2, 0, overlap))
        total.narrow(2, 0, overlap).add_(values_NTCHW.narrow(2, distance, overlap))
    return total


def _recorded(activations_NTCHW: Tensor, alpha: float) -> Tensor:
    """The same for a graph that is to run on any number of images, with operations that other runtimes have:
    without slices, which would have to be counted, and without writing in place."""
    channels, reach = activations_NTCHW.shape[2], WINDOW // 2
    squares = F.pad(activations_NTCHW.square(), (0, 0, 0, 0, reach, reach))
    total = squares.narrow(2, 0, channels)
    for shift in range(1, WINDOW):
        total = total + squares.narrow(2, shift, channels)
    root = (total * alpha + K).rsqrt()
    return activations_NTCHW * root * root.sqrt()


def _is_recording() -> bool:
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return tracing or torch.compiler.is_exporting()


def local_response_norm(
    activations_NCHW: Tensor, *, towers: int = 1, averaged: bool = False, relu: bool = False
) -> Tensor:
    """bᵢ = aᵢ / (k + α·Σ aⱼ²)^β over the n channels around i, k=2, n=5, α=1e-4, β=0.75 (P §3.3).

    C is divided evenly among `towers`, and no window reaches from one into another. The paper's sum is not
    divided by n, unlike torch.nn.LocalResponseNorm's; `averaged` divides it, as the 2012 source did. Any
    floating dtype and memory format; same shape and dtype out. With `relu`, a = max(activations, 0), for
    which the activations may be overwritten; on CUDA both are one operation. May be recorded by torch.export
    and torch.jit.trace on the CPU.
    """
    alpha = ALPHA / WINDOW if averaged else ALPHA
    if activations_NCHW.is_cuda:
        # Triton comes with torch's CUDA builds alone.
        from model.network.lrn_triton import relu_lrn

        return relu_lrn(activations_NCHW, towers=towers, alpha=alpha, k=K, relu=relu)
    if relu:
        activations_NCHW = activations_NCHW.relu_()
    # Sums of squares outgrow half precision.
    exact_NCHW = activations_NCHW if activations_NCHW.dtype == torch.float64 else activations_NCHW.float()
    activations_NTCHW = torch.unflatten(exact_NCHW, 1, (towers, -1))
    normalized: Tensor
    if _is_recording():
        normalized = _recorded(activations_NTCHW, alpha)
    else:
        normalized = _LocalResponseNorm.apply(activations_NTCHW, alpha)  # type: ignore[no-untyped-call]
    return normalized.flatten(1, 2).to(activations_NCHW.dtype)


def map_response_norm(activations_NCHW: Tensor) -> Tensor:
    """bₓ = aₓ / (1 + α·mean a²)^β over the 5×5 pixels around x in its own map, α=1e-3, β=0.75.

    The second norm of the 2012 source's conv2 (its net 145). Beyond a map's edge are zeros, which count.
    """
    mean = F.avg_pool2d(activations_NCHW.square(), _MAP_SIDE, stride=1, padding=_MAP_SIDE // 2)
    root = (mean * _MAP_ALPHA + _MAP_K).rsqrt()
    return activations_NCHW * root * root.sqrt()
