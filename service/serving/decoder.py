"""Uploads to pixels, in as many threads as there are cores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from pipeline.errors import UnusablePhotoError
from pipeline.photos.decode import MAX_PIXELS, square_photo
from service.cores import usable_cores
from service.domain.image_type import image_type
from service.errors import PayloadTooLargeError, ServiceError, UndecodableImageError, UnsupportedImageError
from service.serving.asked_photo import AskedPhoto
from service.serving.pixel_room import PixelRoom, PixelShare

log = structlog.get_logger()


class Decoder:
    """Decodes photos in the order they come and hands them over, from its own threads. One for whose pixels
    there is no room beside those at work waits until there may be.

    A photo that cannot be used is refused: `UnsupportedImageError`, `UndecodableImageError` or
    `PayloadTooLargeError`.
    """

    def __init__(self, hand_over: Callable[[AskedPhoto], None], max_pixels: int = MAX_PIXELS) -> None:
        self._hand_over = hand_over
        self._max_pixels = max_pixels
        self._room = PixelRoom(max_pixels)
        self._asked: SimpleQueue[AskedPhoto | None] = SimpleQueue()
        self._pending = 0
        self._counting = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, name=f"decode-{number}") for number in range(usable_cores())
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether photos are being decoded, or wait for it."""
        return self._pending > 0

    def take(self, photo: AskedPhoto) -> None:
        self._count(1)
        self._asked.put(photo)

    def close(self) -> None:
        """Returns when what was taken is handed over or refused."""
        with self._counting:
            self._counting.wait_for(lambda: not self._pending)
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        # Each photo is too small to share.
        torch.set_num_threads(1)
        while (photo := self._asked.get()) is not None:
            self._decode(photo)
            # Its upload is not kept while nothing else is asked.
            del photo

    def _decode(self, photo: AskedPhoto) -> None:
        share = PixelShare(self._room, photo)
        try:
            if photo.is_wanted:
                photo.square = square(
                    photo.upload, photo.model.image_size, self._max_pixels, photo.what, share.take
                )
                photo.decoded_at = time.perf_counter()
        except Exception as error:
            if not share.waits:
                photo.refuse(_without_frames(error, photo.what))
        for other in share.give_back():
            self._asked.put(other)
        if share.waits:
            return
        self._count(-1)
        if photo.square is not None:
            self._hand_over(photo)

    def _count(self, more: int) -> None:
        with self._counting:
            self._pending += more
            self._counting.notify_all()


def _without_frames(error: Exception, what: str) -> Exception:
    """The error without what its frames hold: pixels, and the photo, which is to hold the error."""
    if not isinstance(error, ServiceError):
        log.error("photo_failed", photo=what, exc_info=error)
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error


def square(
    upload: bytes, size: int, max_pixels: int, what: str, hold: Callable[[int], None]
) -> NDArray[np.uint8]:
    """One upload as the training saw its photos, and the right way up: uint8 [size, size, 3].

    `what` names it in errors, and `hold` is as `square_photo` calls it.
    """
    if image_type(upload) is None:
        raise UnsupportedImageError(
            f"{what} is not an image: send JPEG, PNG, GIF, BMP, TIFF or WebP, whatever its name"
        )
    try:
        return square_photo(upload, size, exif="apply", max_pixels=max_pixels, hold=hold)
    except UnusablePhotoError as error:
        reason, detail = error.args
        refusal = PayloadTooLargeError if reason == "too_many_pixels" else UndecodableImageError
        raise refusal(f"{what} cannot be used: {detail} ({reason})") from error
