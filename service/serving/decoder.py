"""Uploads to pixels, in as many threads as there are cores."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import UnusablePhotoError
from pipeline.photos.decode import MAX_PIXELS, square_photo
from service.domain.image_type import image_type
from service.errors import PayloadTooLargeError, UndecodableImageError, UnsupportedImageError


class Decoder:
    """Belongs to one event loop."""

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self._max_pixels = max_pixels
        # A thread per core and no more: each may hold a photo of the largest size allowed.
        self._threads = ThreadPoolExecutor(
            os.cpu_count(),
            thread_name_prefix="decode",
            # Each photo is too small to share.
            initializer=torch.set_num_threads,
            initargs=(1,),
        )
        self._pending = 0

    @property
    def is_busy(self) -> bool:
        """Whether photos are being decoded, or wait for it."""
        return self._pending > 0

    async def squares(self, uploads: Sequence[bytes], size: int) -> list[NDArray[np.uint8]]:
        """Each upload as the training saw its photos, and the right way up: uint8 [size, size, 3].

        Raises `UnsupportedImageError`, `UndecodableImageError` or `PayloadTooLargeError`, saying which of the
        uploads it is about.
        """
        loop = asyncio.get_running_loop()
        self._pending += len(uploads)
        try:
            return await asyncio.gather(
                *(
                    loop.run_in_executor(
                        self._threads,
                        square,
                        upload,
                        size,
                        self._max_pixels,
                        f"photo {place} of {len(uploads)}",
                    )
                    for place, upload in enumerate(uploads, start=1)
                )
            )
        finally:
            self._pending -= len(uploads)

    def close(self) -> None:
        self._threads.shutdown()


def square(upload: bytes, size: int, max_pixels: int, what: str) -> NDArray[np.uint8]:
    """One upload's pixels; `what` names it in errors."""
    if image_type(upload) is None:
        raise UnsupportedImageError(
            f"{what} is not an image: send JPEG, PNG, GIF, BMP, TIFF or WebP, whatever its name"
        )
    try:
        return square_photo(upload, size, exif="apply", max_pixels=max_pixels)
    except UnusablePhotoError as error:
        reason, detail = error.args
        refusal = PayloadTooLargeError if reason == "too_many_pixels" else UndecodableImageError
        raise refusal(f"{what} cannot be used: {detail} ({reason})") from error
