"""Views cut on CUDA by one kernel, in one pass. N photos of side S, M views of side C, M a multiple of N.

Imported only where the photos are on CUDA: torch's CUDA builds bring Triton along, others do not.
"""

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl

from pipeline.batches.choices import Choices

# Of values of one view, or of pixels of a planar one; on an H200 other sizes were up to three times slower.
_BLOCK: Final = 1024
_WARPS_PLANAR, _WARPS_CHANNELS_LAST = 8, 2


def packed(choices: Choices) -> torch.Tensor:
    """Flat choices as one tensor, which one copy takes to the device: int32 [M, 6], colours as their bits."""
    places_M3 = torch.stack((choices.tops, choices.lefts, choices.flips), dim=1).int()
    return torch.cat((places_M3, choices.colours.view(torch.int32)), dim=1)


def cut_with_triton(
    images_NSS3: torch.Tensor, mean_3SS: torch.Tensor, packed_M6: torch.Tensor, views_M3CC: torch.Tensor
) -> None:
    """Fills `views_M3CC` with (crop - mean image) + colour, in float32, then rounded to the views' dtype.

    `mean_3SS` float32 lies in memory as the views do, contiguous or channels last. All are on the current
    device, and `packed_M6` is known to lie inside the photos. Nothing is waited for.
    """
    num_views, _, size, _ = views_M3CC.shape
    if not num_views:
        return
    planar = mean_3SS.is_contiguous()
    blocks = triton.cdiv(size * size * (1 if planar else 3), _BLOCK)
    _cut[(num_views * blocks,)](
        images_NSS3.contiguous(),
        mean_3SS,
        packed_M6,
        views_M3CC,
        num_views // len(images_NSS3),
        blocks,
        SIDE=images_NSS3.shape[1],
        SIZE=size,
        PLANAR=planar,
        BLOCK=_BLOCK,
        num_warps=_WARPS_PLANAR if planar else _WARPS_CHANNELS_LAST,
    )


@triton.jit  # type: ignore[untyped-decorator]
def _cut(  # type: ignore[no-untyped-def]
    images,
    mean,
    choices,
    views,
    views_of_photo,
    blocks,
    SIDE: tl.constexpr,
    SIZE: tl.constexpr,
    PLANAR: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One program makes a block of one view: pixels with all channels if planar, else values as they lie."""
    number, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    choice = choices + number * 6
    top, left, flip = tl.load(choice), tl.load(choice + 1), tl.load(choice + 2)
    # A large batch has more than 2³¹ values.
    photo = images + (number // views_of_photo).to(tl.int64) * (SIDE * SIDE * 3)
    view = views + number.to(tl.int64) * (SIZE * SIZE * 3)
    corner = top * SIDE + left
    value = block * BLOCK + tl.arange(0, BLOCK)
    # Compared as it is stored, or Triton could not tell that neighbours may be stored together.
    inside = value < SIZE * SIZE * (1 if PLANAR else 3)
    if PLANAR:
        row, column = value // SIZE, value % SIZE
        column = tl.where(flip != 0, SIZE - 1 - column, column)
        place = corner + row * SIDE + column
        for channel in tl.static_range(3):
            crop = tl.load(photo + place * 3 + channel, inside, other=0).to(tl.float32)
            below = tl.load(mean + channel * SIDE * SIDE + place, inside, other=0)
            colour = tl.load(choice + 3 + channel).to(tl.float32, bitcast=True)
            result = (crop - below + colour).to(views.dtype.element_ty)
            tl.store(view + channel * SIZE * SIZE + value, result, inside)
    else:
        row, across, channel = value // (SIZE * 3), value % (SIZE * 3), value % 3
        # Pixels go backwards, their channels do not.
        across = tl.where(flip != 0, SIZE * 3 - 3 - across + 2 * channel, across)
        place = corner * 3 + row * (SIDE * 3) + across
        crop = tl.load(photo + place, inside, other=0).to(tl.float32)
        below = tl.load(mean + place, inside, other=0)
        red, green, blue = tl.load(choice + 3), tl.load(choice + 4), tl.load(choice + 5)
        colour = tl.where(channel == 0, red, tl.where(channel == 1, green, blue))
        result = crop - below + colour.to(tl.float32, bitcast=True)
        tl.store(view + value, result.to(views.dtype.element_ty), inside)
