"""Overlapping max pooling (P §3.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def overlapping_max_pool(maps_NCHW: Tensor) -> Tensor:
    """The largest of every 3×3 window at stride 2: a side of n becomes ⌊n/2⌋, and on an even side the last
    window hangs over. Any floating dtype and memory format; [N, C, H, W] → [N, C, ⌊H/2⌋, ⌊W/2⌋]. On CUDA the
    result is channels last, and differentiable once."""
    # Of torch's own pooling torch.compile makes a kernel together with what stands before and after it.
    if maps_NCHW.is_cuda and not torch.compiler.is_compiling():
        # Triton comes with torch's CUDA builds alone.
        from model.network.max_pool_triton import max_pool

        return max_pool(maps_NCHW)
    return F.max_pool2d(maps_NCHW, kernel_size=3, stride=2, ceil_mode=True)
