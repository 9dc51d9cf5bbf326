"""Overlapping max pooling (P §3.4) on CUDA, in one pass over memory each way.

Imported only where the maps are on CUDA: torch's CUDA builds bring Triton along, others do not.

Forward writes beside each maximum which of its window's nine values it was, in one byte; torch writes eight.
Backward asks, for every value, the one to four windows that hold it whether it was theirs, and writes once;
no sum is left to chance, so that gradients are the same each time.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK: Final = 1024
# On an H200 others were up to four times slower.
_WARPS_POOLING, _WARPS_SPREADING = 8, 2
_LAYOUT: Final = torch.channels_last


def max_pool(maps_NCHW: Tensor) -> Tensor:
    """The largest of every 3×3 window at stride 2, [N, C, H, W] → [N, C, H // 2, W // 2].

    On an even side the last window hangs over. Of equal values the first, row by row, has the gradient; NaN
    is the largest. Floating dtypes; maps that are not channels last are copied first, and the result is
    channels last. Differentiable once.
    """
    function: Any = _OverlappingMaxPool.apply
    pooled: Tensor = function(maps_NCHW.contiguous(memory_format=_LAYOUT))
    return pooled


class _OverlappingMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps_NCHW: Tensor) -> Tensor:
        images, channels, height, width = maps_NCHW.shape
        pooled = maps_NCHW.new_empty(images, height // 2, width // 2, channels).permute(0, 3, 1, 2)
        places = torch.empty_like(pooled, dtype=torch.uint8)
        _launch(_pooling, (maps_NCHW, pooled, places), maps_NCHW.shape, pooled, _WARPS_POOLING)
        ctx.save_for_backward(places)
        ctx.shape = maps_NCHW.shape
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NCHW: Tensor) -> Tensor:
        (places,) = ctx.saved_tensors
        gradient = gradient_NCHW.contiguous(memory_format=_LAYOUT)
        images, channels, height, width = ctx.shape
        spread = gradient.new_empty(images, height, width, channels).permute(0, 3, 1, 2)
        _launch(_spreading, (gradient, places, spread), ctx.shape, spread, _WARPS_SPREADING)
        return spread


def _launch(kernel: Any, maps: tuple[Tensor, ...], shape: torch.Size, made: Tensor, warps: int) -> None:
    if not made.numel():
        return
    images, channels, height, width = shape
    blocks = triton.cdiv(made[0].numel(), _BLOCK)
    wide = tl.float64 if maps[0].dtype == torch.float64 else tl.float32
    # Triton launches on the current device, which need not be the tower's.
    with torch.cuda.device_of(maps[0]):  # type: ignore[no-untyped-call]
        kernel[(images * blocks,)](
            *maps,
            blocks,
            HEIGHT=height,
            WIDTH=width,
            CHANNELS=channels,
            WIDE=wide,
            BLOCK=_BLOCK,
            num_warps=warps,
        )


# Below, a program makes a block of one image's values, as they lie; a large batch has more than 2³¹ of them.
@triton.jit  # type: ignore[untyped-decorator]
def _pooling(  # type: ignore[no-untyped-def]
    maps,
    pooled,
    places,
    blocks,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    image, value, row, column, channel = _places(blocks, WIDTH // 2, CHANNELS, BLOCK)
    inside = value < HEIGHT // 2 * (WIDTH // 2) * CHANNELS
    row, column = 2 * row, 2 * column
    window = maps + image * (HEIGHT * WIDTH * CHANNELS) + (row * WIDTH + column) * CHANNELS + channel
    largest = tl.full([BLOCK], float("-inf"), WIDE)
    place = tl.zeros([BLOCK], tl.uint8)
    for down in tl.static_range(3):
        for across in tl.static_range(3):
            there = inside & (row + down < HEIGHT) & (column + across < WIDTH)
            step = (down * WIDTH + across) * CHANNELS
            found = tl.load(window + step, there, other=float("-inf")).to(WIDE)
            # Not a maximum: that of NaN and a number is the number.
            larger = (found > largest) | (found != found)
            largest = tl.where(larger, found, largest)
            place = tl.where(larger, down * 3 + across, place).to(tl.uint8)
    target = image * (HEIGHT // 2 * (WIDTH // 2) * CHANNELS) + value
    tl.store(pooled + target, largest.to(pooled.dtype.element_ty), inside)
    tl.store(places + target, place, inside)


@triton.jit  # type: ignore[untyped-decorator]
def _spreading(  # type: ignore[no-untyped-def]
    gradient,
    places,
    spread,
    blocks,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    image, value, row, column, channel = _places(blocks, WIDTH, CHANNELS, BLOCK)
    inside = value < HEIGHT * WIDTH * CHANNELS
    pooled = image * (HEIGHT // 2 * (WIDTH // 2) * CHANNELS) + channel
    total = tl.zeros([BLOCK], WIDE)
    for above in tl.static_range(2):
        for before in tl.static_range(2):
            # The window that begins there, and where in it the value is.
            window_row, window_column = row // 2 - above, column // 2 - before
            down, across = row - 2 * window_row, column - 2 * window_column
            holds = (down < 3) & (across < 3) & (window_row >= 0) & (window_column >= 0)
            there = inside & holds & (window_row < HEIGHT // 2) & (window_column < WIDTH // 2)
            window = pooled + (window_row * (WIDTH // 2) + window_column) * CHANNELS
            place = tl.load(places + window, there, other=255)
            share = tl.load(gradient + window, there, other=0).to(WIDE)
            total += tl.where(place == down * 3 + across, share, 0.0)
    tl.store(spread + image * (HEIGHT * WIDTH * CHANNELS) + value, total.to(spread.dtype.element_ty), inside)


@triton.jit  # type: ignore[untyped-decorator]
def _places(blocks, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Which image the program works on, which of its values, and where those are in maps of that width."""
    image = (tl.program_id(0) // blocks).to(tl.int64)
    value = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    pixel = value // CHANNELS
    return image, value, pixel // WIDTH, pixel % WIDTH, value % CHANNELS
