"""An upload becomes the pixels training saw, or an error that says what is wrong with which photo."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from pipeline.photos.decode import MAX_PIXELS, square_photo
from service.domain.image_type import image_type
from service.errors import PayloadTooLargeError, ServiceError, UndecodableImageError, UnsupportedImageError
from service.serving.asked_photo import AskedPhoto, Question, deliver
from service.serving.decoder import Decoder

SECONDS = 60
FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
}


def encoded(form: str = "JPEG", size: tuple[int, int] = (90, 70), seed: int = 0) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize(size).save(file, form)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred kilobytes whose header promises 20,000 × 20,000 pixels."""
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


class Small:
    """A model of small photos, asked for nothing else."""

    image_size, replicas = 32, ()


def squares(*uploads: bytes, max_pixels: int = MAX_PIXELS) -> list[np.ndarray]:
    async def decode() -> list[np.ndarray]:
        decoder = Decoder(lambda photo: deliver([photo], photo.square[None]), max_pixels)
        photos = [
            AskedPhoto(upload, f"photo {place} of {len(uploads)}", Small(), Question.ONE_VIEW)
            for place, upload in enumerate(uploads, start=1)
        ]
        for photo in photos:
            decoder.take(photo)
        try:
            return await asyncio.gather(*(photo.answer for photo in photos))
        finally:
            await asyncio.to_thread(decoder.close)
            assert not decoder.is_busy

    return asyncio.run(decode())


@pytest.mark.parametrize("form", FORMATS)
def test_every_type_is_known_by_its_bytes_and_decoded_as_in_training(form: str) -> None:
    photo = encoded(form)
    assert image_type(photo) == FORMATS[form]
    (square,) = squares(photo)
    assert np.array_equal(square, square_photo(photo, 32))


def test_many_photos_keep_their_order() -> None:
    photos = [encoded(seed=seed) for seed in range(12)]
    for square, photo in zip(squares(*photos), photos, strict=True):
        assert np.array_equal(square, square_photo(photo, 32))


def test_many_of_the_largest_are_all_decoded_on_however_many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.serving.decoder.usable_cores", lambda: 16)
    sizes = ("PNG", (60, 50)), ("JPEG", (60, 50)), ("GIF", (50, 60)), ("JPEG", (20, 20)), ("PNG", (20, 30))
    photos = [encoded(form, size, seed) for seed in range(12) for form, size in sizes]
    for square, photo in zip(squares(*photos, max_pixels=60 * 50), photos, strict=True):
        assert np.array_equal(square, square_photo(photo, 32))


def test_a_photo_for_which_there_is_no_room_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.serving.decoder.usable_cores", lambda: 3)
    large, beside, waits, small = (
        encoded("PNG", size, seed) for seed, size in enumerate([(60, 50), (50, 50), (60, 50), (20, 20)])
    )
    may_go_on, order = threading.Event(), []

    def gated(data: bytes, size: int, *, hold: Callable[[int], None], **options: Any) -> np.ndarray:
        def take(pixels: int) -> None:
            hold(pixels)
            if data in (large, beside):
                assert may_go_on.wait(SECONDS)

        square = square_photo(data, size, hold=take, **options)
        order.append(data)
        if data == small:
            may_go_on.set()
        return square

    monkeypatch.setattr("service.serving.decoder.square_photo", gated)
    assert len(squares(large, beside, waits, small, max_pixels=60 * 50)) == 4
    assert order[0] == small
    assert set(order) == {large, beside, waits, small}


def test_a_refused_photo_leaves_nothing_in_memory() -> None:
    async def refused() -> None:
        decoder = Decoder(lambda photo: None)
        try:
            photo = AskedPhoto(encoded("PNG", (300, 300))[:2000], "photo 1 of 1", Small(), Question.ONE_VIEW)
            decoder.take(photo)
            with pytest.raises(UndecodableImageError):
                await photo.answer
        finally:
            await asyncio.to_thread(decoder.close)

    gc.collect()
    gc.disable()
    try:
        asyncio.run(refused())
        left = [each for each in gc.get_objects() if type(each) is PngImageFile]
    finally:
        gc.enable()
    assert left == []


@pytest.mark.parametrize(
    ("upload", "error"),
    [
        pytest.param(b"", UnsupportedImageError, id="nothing"),
        pytest.param(b"a letter, named photo.jpg", UnsupportedImageError, id="text"),
        pytest.param(b"%PDF-1.7\n" + b"\0" * 100, UnsupportedImageError, id="pdf"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedImageError, id="svg"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", UnsupportedImageError, id="sound"),
        pytest.param(encoded()[:200], UndecodableImageError, id="jpeg cut off"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"\0" * 500, UndecodableImageError, id="jpeg of zeros"),
        pytest.param(encoded("PNG")[:60], UndecodableImageError, id="png cut off"),
        pytest.param(encoded("GIF")[:10], UndecodableImageError, id="gif cut off"),
        pytest.param(bomb(), PayloadTooLargeError, id="decompression bomb"),
    ],
)
def test_what_is_no_photo_is_refused_by_kind_and_place(upload: bytes, error: type[ServiceError]) -> None:
    with pytest.raises(error, match="photo 2 of 3"):
        squares(encoded(), upload, encoded())
