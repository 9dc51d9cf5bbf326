"""Views cut in plain torch. N photos of side S, M views of side C, M a multiple of N."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

import torch

from pipeline.batches.choices import Choices

_SHARES_PER_THREAD: Final = 4


class TorchCutter:
    """Cuts views on the CPU, in as many threads as torch has, which makes no difference to the views.

    Torch's own threads would wait for each other several times for each photo, and where the loader's threads
    have the processor, every wait takes as long as the cutting of ten photos.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._num_threads = 1

    def cut(
        self,
        images_NSS3: torch.Tensor,
        means_23SS: torch.Tensor,
        choices: Choices,
        views_M3CC: torch.Tensor,
    ) -> None:
        """Fills `views_M3CC` with (crop - mean image) + colour, in float32, then rounded to the views' dtype.

        `choices` are flat, [M]. `means_23SS` float32 is the mean image and its mirror image, and lies in
        memory as the views do.
        """
        num_threads = torch.get_num_threads()
        if num_threads == 1 or not len(views_M3CC):
            _cut(images_NSS3, means_23SS, choices, views_M3CC, range(len(views_M3CC)))
            return
        if self._threads is None or num_threads != self._num_threads:
            self._threads, self._num_threads = _single_threads(num_threads), num_threads
        share = math.ceil(len(views_M3CC) / (num_threads * _SHARES_PER_THREAD))
        shares = [range(len(views_M3CC))[first : first + share] for first in range(0, len(views_M3CC), share)]
        done = [
            self._threads.submit(_cut, images_NSS3, means_23SS, choices, views_M3CC, places)
            for places in shares
        ]
        for share_done in done:
            share_done.result()


def _single_threads(count: int) -> ThreadPoolExecutor:
    """Threads in which torch works alone; what it does elsewhere stays as it was."""
    before = torch.get_num_threads()
    all_started = Barrier(count + 1)

    def start() -> None:
        # Torch gives a thread the number that holds for all when it is first asked for something there; a
        # number set after that is the thread's own, apart from threads that torch has not yet worked in.
        torch.get_num_threads()
        torch.set_num_threads(1)
        all_started.wait()

    threads = ThreadPoolExecutor(count, "cut-views", start)
    for _ in range(count):
        threads.submit(int)
    all_started.wait()
    torch.set_num_threads(before)
    return threads


# Views made in inference mode may be written in that mode alone, which is a thread's own; others in any.
@torch.inference_mode()
def _cut(
    images_NSS3: torch.Tensor,
    means_23SS: torch.Tensor,
    choices: Choices,
    views_M3CC: torch.Tensor,
    places: range,
) -> None:
    """Fills the views at `places`."""
    mine = slice(places.start, places.stop)
    if len(images_NSS3) == len(views_M3CC) and (place := _only_place(choices, mine)):
        _cut_alike(images_NSS3[mine], means_23SS, *place, views_M3CC[mine])
    else:
        _cut_each(images_NSS3, means_23SS, choices, views_M3CC, places)


def _only_place(choices: Choices, mine: slice) -> tuple[int, int, int] | None:
    """Top, left and flip, where they are the same for all of mine and no colour is added, as with centre
    views; None where they differ, or there are none of mine."""
    places = [values[mine] for values in (choices.tops, choices.lefts, choices.flips)]
    if not len(places[0]) or choices.colours[mine].any():
        return None
    top, left, flip = (int(values[0]) for values in places)
    same = all(bool((values == values[0]).all()) for values in places)
    return (top, left, flip) if same else None


def _cut_alike(
    images_NSS3: torch.Tensor,
    means_23SS: torch.Tensor,
    top: int,
    left: int,
    flip: int,
    views_N3CC: torch.Tensor,
) -> None:
    """A few operations for all views: for each of its own, small ones wait for the interpreter longer than
    they take."""
    side, size = images_NSS3.shape[1], views_N3CC.shape[-1]
    crops_NCC3 = images_NSS3[:, top : top + size, left : left + size]
    if flip:
        crops_NCC3, left = crops_NCC3.flip(2), side - size - left
    mean_3CC = means_23SS[flip, :, top : top + size, left : left + size]
    exact_N3CC = (
        views_N3CC if views_N3CC.dtype == torch.float32 else torch.empty_like(views_N3CC, dtype=torch.float32)
    )
    exact_N3CC.copy_(crops_NCC3.permute(0, 3, 1, 2)).sub_(mean_3CC)
    if exact_N3CC is not views_N3CC:
        views_N3CC.copy_(exact_N3CC)


def _cut_each(
    images_NSS3: torch.Tensor,
    means_23SS: torch.Tensor,
    choices: Choices,
    views_M3CC: torch.Tensor,
    places: range,
) -> None:
    """Fills the views at `places`, one at a time: a view stays in the processor's caches, a batch not."""
    mine = slice(places.start, places.stop)
    side, size, planar = images_NSS3.shape[1], views_M3CC.shape[-1], means_23SS.is_contiguous()
    scratch_3CC = torch.empty_like(views_M3CC[:1], dtype=torch.float32).squeeze(0)
    colours = choices.colours[mine, :, None, None]
    if not planar:
        # Repeated along a row: torch adds a row to a row quickly, and three values to each pixel slowly.
        colours = colours.expand(-1, -1, 1, size).contiguous(memory_format=torch.channels_last)
    for place, colour, top, left, flip in zip(
        places,
        colours.unbind(),
        choices.tops[mine].tolist(),
        choices.lefts[mine].tolist(),
        choices.flips[mine].tolist(),
        strict=True,
    ):
        photo_SS3 = images_NSS3[place * len(images_NSS3) // len(views_M3CC)]
        view_3CC = views_M3CC[place]
        crop_CC3 = photo_SS3[top : top + size, left : left + size]
        if flip:
            crop_CC3, left = crop_CC3.flip(1), side - size - left
        crop_3CC = crop_CC3.permute(2, 0, 1)
        mean_3CC = means_23SS[int(flip), :, top : top + size, left : left + size]
        exact_3CC = view_3CC if view_3CC.dtype == torch.float32 else scratch_3CC
        # Each is the faster of the two where it stands, by a quarter.
        if planar:
            torch.sub(crop_3CC, mean_3CC, out=exact_3CC)
        else:
            exact_3CC.copy_(crop_3CC).sub_(mean_3CC)
        exact_3CC.add_(colour)
        if exact_3CC is scratch_3CC:
            view_3CC.copy_(scratch_3CC)
