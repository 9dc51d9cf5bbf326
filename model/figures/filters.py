"""The first layer's kernels as pixels (P figure 3)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

PER_ROW: Final = 16  # P figure 3
# All in pixels.
KERNEL_SIDE: Final = 66  # about: a weight is a whole number of pixels wide
GAP: Final = 4
MARGIN: Final = 12
LABEL_HEIGHT: Final = 30

_INK, _PAPER = "black", 255
_GREY: Final = 127.5
_FONT: Final = ImageFont.load_default(18)


def tower_mosaics(weights_K3SS: NDArray[np.float32], towers: int) -> list[Pixels]:
    """float [K, 3, S, S], tower 0's kernels first → each tower's kernels, uint8 [H, W, 3] RGB.

    Kernels stand sixteen to a row, `GAP` apart, a weight enlarged to a square of round(KERNEL_SIDE / S)
    pixels. Those of all towers share one scale: grey is 0, and the weight furthest from it is black or white.
    So a kernel is grey where it does not mind colour, and faint where it does little. Raises ValueError for
    kernels that towers cannot share evenly.
    """
    if len(weights_K3SS) % towers:
        raise ValueError(f"{len(weights_K3SS)} kernels are not divisible by towers={towers}")
    enlarged = max(1, round(KERNEL_SIDE / weights_K3SS.shape[-1]))
    kernels_KSS3 = _on_one_scale(weights_K3SS).transpose(0, 2, 3, 1)
    kernels_KSS3 = kernels_KSS3.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    return [_rows_of(kernels) for kernels in np.split(kernels_KSS3, towers)]


def filter_mosaic(weights_K3SS: NDArray[np.float32], towers: int) -> Pixels:
    """The towers' mosaics in one, uint8 [H, W, 3] RGB, within a `MARGIN`; raises what `tower_mosaics` raises.

    Where there are several towers, each one's rows follow a label of `LABEL_HEIGHT`, tower 0's on top, as the
    paper has GPU 1's above GPU 2's, and a margin parts them.
    """
    blocks = tower_mosaics(weights_K3SS, towers)
    if towers > 1:
        blocks = [
            np.concatenate([_label(f"Tower {tower} (GPU {tower + 1})", block.shape[1]), block])
            for tower, block in enumerate(blocks)
        ]
    margin = np.full((MARGIN, *blocks[0].shape[1:]), _PAPER, np.uint8)
    column: Pixels = np.concatenate([*(part for block in blocks for part in (margin, block)), margin])
    side = np.full((len(column), MARGIN, 3), _PAPER, np.uint8)
    mosaic: Pixels = np.concatenate([side, column, side], axis=1)
    return mosaic


def _on_one_scale(weights: NDArray[np.float32]) -> Pixels:
    furthest = np.abs(weights).max()
    shares = weights / furthest if furthest > 0 else weights
    scaled: Pixels = np.rint(_GREY + _GREY * shares).astype(np.uint8)
    return scaled


def _rows_of(kernels_KSS3: Pixels) -> Pixels:
    """One tower's kernels, from the left and then downwards."""
    count, side = kernels_KSS3.shape[:2]
    per_row = min(PER_ROW, count)
    pitch = side + GAP
    rows = -(-count // per_row)
    block = np.full((rows * pitch - GAP, per_row * pitch - GAP, 3), _PAPER, np.uint8)
    for place, kernel in enumerate(kernels_KSS3):
        top, left = (number * pitch for number in divmod(place, per_row))
        block[top : top + side, left : left + side] = kernel
    return block


def _label(text: str, width: int) -> Pixels:
    strip = Image.new("RGB", (width, LABEL_HEIGHT), (_PAPER,) * 3)
    ImageDraw.Draw(strip).text((0, 0), text, font=_FONT, fill=_INK)
    return np.array(strip)
