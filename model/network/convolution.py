"""A convolution, in the form in which the device it runs on is fastest at it (docs/adr/0023).

Shapes: N images, C channels read and K made, H×W a map, R a kernel's side, s a stride, B blocks of s×s pixels
along a side, D channels of a block.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

_LAYOUT: Final = torch.channels_last
# For 48 channels cuDNN takes 2.4 ms over conv1 forward and backward, for 64 it takes 1.4 (H200, batches of
# 1,024 in bfloat16).
_MULTIPLE_OF_CHANNELS: Final = 32


def convolve(
    maps_NCHW: Tensor,
    weight_KCRR: Tensor,
    bias_K: Tensor | None,
    *,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    groups: int = 1,
) -> Tensor:
    """torch's conv2d of square maps, whose rows and columns have `padding[0]` zeros before them and
    `padding[1]` after: [N, K, H', W'], in the dtype that conv2d would have. Of a convolution in groups, the
    weight is [K, C / groups, R, R].

    On CUDA each group is a convolution of its own, and one with a stride is one without over blocks of
    pixels, whose bias is rounded as its weights are.
    """
    if maps_NCHW.is_cuda:
        return _one_by_one(maps_NCHW, weight_KCRR, bias_K, stride, padding, groups)
    return _at_once(maps_NCHW, weight_KCRR, bias_K, stride, padding, groups)


def _one_by_one(
    maps_NCHW: Tensor,
    weight_KCRR: Tensor,
    bias_K: Tensor | None,
    stride: int,
    padding: tuple[int, int],
    groups: int,
) -> Tensor:
    own = (own_NCHW.contiguous(memory_format=_LAYOUT) for own_NCHW in maps_NCHW.chunk(groups, dim=1))
    weights = weight_KCRR.chunk(groups)
    biases = (None,) * groups if bias_K is None else bias_K.chunk(groups)
    convolve_one = _by_blocks if stride > 1 else _at_once
    made = [convolve_one(*group, stride, padding) for group in zip(own, weights, biases, strict=True)]
    return made[0] if groups == 1 else torch.cat(made, dim=1)


def _at_once(
    maps_NCHW: Tensor,
    weight_KCRR: Tensor,
    bias_K: Tensor | None,
    stride: int,
    padding: tuple[int, int],
    groups: int = 1,
) -> Tensor:
    before, after = padding
    if before != after:
        maps_NCHW, before = F.pad(maps_NCHW, (before, after, before, after)), 0
    return F.conv2d(maps_NCHW, weight_KCRR, bias_K, stride, before, groups=groups)


def _by_blocks(
    maps_NCHW: Tensor, weight_KCRR: Tensor, bias_K: Tensor | None, stride: int, padding: tuple[int, int]
) -> Tensor:
    """Maps and kernels as blocks of s×s pixels, whose values are channels. Kernels reach ⌈R / s⌉ blocks, and
    are zero beyond R. The bias is the weight of a channel of ones: torch's addition takes as long as the
    convolution."""
    side, kernel_side = maps_NCHW.shape[-1], weight_KCRR.shape[-1]
    before, after = padding
    reach = -(-kernel_side // stride)
    blocks = (side + before + after - kernel_side) // stride + reach
    if before:
        maps_NCHW = F.pad(maps_NCHW, (before, 0, before, 0))
    maps_NDBB, free = _in_blocks(maps_NCHW, stride, blocks)
    weight_KDBB, _ = _in_blocks(weight_KCRR, stride, reach)
    if bias_K is not None:
        maps_NDBB[:, free] = 1
        weight_KDBB[:, free, 0, 0] = bias_K
    return F.conv2d(maps_NDBB, weight_KDBB)


def _in_blocks(values_NCHW: Tensor, stride: int, blocks: int) -> tuple[Tensor, int]:
    """The first so many blocks along either side, [N, D, B, B], channels last, with zeros beyond the values;
    and the first channel that is free: those from there on, one or more, are zeros."""
    over = -values_NCHW.shape[-1] % stride
    if over:
        values_NCHW = F.pad(values_NCHW, (0, over, 0, over))
    whole = min(values_NCHW.shape[-1] // stride, blocks)
    shown_NHWC = values_NCHW.permute(0, 2, 3, 1)[:, : whole * stride, : whole * stride]
    rows_NHBsC = torch.unflatten(shown_NHWC, 2, (whole, stride))
    blocks_NBBssC = torch.unflatten(rows_NHBsC, 1, (whole, stride)).transpose(2, 3)
    free = stride**2 * values_NCHW.shape[1]
    channels = (free // _MULTIPLE_OF_CHANNELS + 1) * _MULTIPLE_OF_CHANNELS
    filled_NBBD = values_NCHW.new_zeros(
        (len(values_NCHW), blocks, blocks, channels), dtype=_dtype_read(values_NCHW)
    )
    in_use = filled_NBBD[:, :whole, :whole, :free]
    torch.unflatten(in_use, 3, (stride, stride, -1)).copy_(blocks_NBBssC)
    return filled_NBBD.permute(0, 3, 1, 2), free


def _dtype_read(values: Tensor) -> torch.dtype:
    """In which a convolution reads them: autocast's where that is on, which leaves float64 alone."""
    device_type = values.device.type
    if torch.is_autocast_enabled(device_type) and values.dtype != torch.float64:
        return torch.get_autocast_dtype(device_type)
    return values.dtype
