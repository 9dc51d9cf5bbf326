"""What becomes of the bytes of a photo."""

from __future__ import annotations

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UnusablePhotoError
from pipeline.photos.decode import square_photo


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def expected_square(image: Image.Image, size: int) -> np.ndarray:
    """The slow way: Pillow's antialiased bilinear over the centre square."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))


def reason(data: bytes, **options: int) -> str:
    with pytest.raises(UnusablePhotoError) as caught:
        square_photo(data, 32, **options)
    return caught.value.args[0]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (50, 33), (40, 90), (131, 100), (20, 25), (1, 7)])
def test_square_equals_pillow_within_rounding(photos, height, width):
    image = Image.fromarray(photos.pixels(3, height, width))
    square = square_photo(saved(image, "PNG"), 32)
    assert square.shape == (32, 32, 3)
    assert square.dtype == np.uint8
    assert square.flags["C_CONTIGUOUS"]
    assert np.abs(square.astype(int) - expected_square(image, 32)).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(300, 400), (90, 64), (640, 480)])
def test_jpeg_scaled_while_decoding_stays_close_to_pillow(photos, height, width):
    smooth = Image.fromarray(photos.pixels(4, 4, 4)).resize((8, 8), Image.Resampling.BICUBIC)
    image = smooth.resize((width, height), Image.Resampling.BICUBIC)
    data = saved(image, "JPEG", quality=95)
    difference = square_photo(data, 32).astype(int) - expected_square(Image.open(io.BytesIO(data)), 32)
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [50, 63, 100, 500])
def test_fine_pattern_leaves_no_moire(form, size):
    stripes = np.zeros((size, size, 3), np.uint8)
    stripes[:, ::2] = 255
    square = square_photo(saved(Image.fromarray(stripes), form), 32)
    # Grey is left, but for the margins, where the filter sees less than elsewhere.
    assert np.abs(square[:, 2:-2].astype(int) - 128).max() <= 25


def test_photo_of_the_stored_size_is_not_resampled(photos):
    pixels = photos.pixels(5, 32, 32)
    assert np.array_equal(square_photo(saved(Image.fromarray(pixels), "PNG"), 32), pixels)


def test_centre_of_a_wide_photo_is_kept_exactly(photos):
    pixels = photos.pixels(6, 32, 61)
    assert np.array_equal(square_photo(saved(Image.fromarray(pixels), "PNG"), 32), pixels[:, 14:46])


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG"])
def test_grey_becomes_three_equal_channels_in_every_format(photos, form):
    grey = Image.fromarray(photos.pixels(7, 32, 32)).convert("L")
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98}}.get(form, {})
    square = square_photo(saved(grey, form, **options), 32)
    assert np.array_equal(square[..., 0], square[..., 1])
    assert np.array_equal(square[..., 0], square[..., 2])
    assert np.abs(square[..., 0].astype(int) - np.asarray(grey)).max() <= (4 if form == "JPEG" else 0)


def test_sixteen_bit_grey_keeps_its_range():
    ramp = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
    square = square_photo(saved(Image.fromarray(ramp), "PNG"), 32)
    assert np.array_equal(square[..., 1], (ramp >> 8).astype(np.uint8))


def test_transparent_pixels_become_white(photos):
    pixels = np.dstack([photos.pixels(8, 32, 32), np.full((32, 32), 255, np.uint8)])
    pixels[:, :10, 3] = 0
    square = square_photo(saved(Image.fromarray(pixels), "PNG"), 32)
    assert (square[:, :10] == 255).all()
    assert np.array_equal(square[:, 10:], pixels[:, 10:, :3])


def test_palette_photo_shows_its_colours(photos):
    palette = Image.fromarray(photos.pixels(9, 32, 32)).quantize(16)
    assert np.array_equal(square_photo(saved(palette, "PNG"), 32), np.asarray(palette.convert("RGB")))


def test_cmyk_jpeg_shows_its_colours(photos):
    cmyk = Image.fromarray(photos.pixels(10, 32, 32)).convert("CMYK")
    data = saved(cmyk, "JPEG", quality=98)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(square_photo(data, 32).astype(int) - expected).max() <= 1


def test_animation_shows_its_first_picture():
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    square = square_photo(saved(red, "GIF", save_all=True, append_images=[blue]), 32)
    assert (square == (255, 0, 0)).all()


def test_orientation_in_the_file_is_ignored(photos):
    image = Image.fromarray(photos.pixels(11, 32, 32))
    turned = image.getexif()
    turned[0x0112] = 6
    plain, marked = saved(image, "JPEG", quality=95), saved(image, "JPEG", quality=95, exif=turned)
    assert np.array_equal(square_photo(marked, 32), square_photo(plain, 32))


def test_jpeg_cut_anywhere_in_its_pixels_is_refused(photos):
    data = photos.encode(photos.pixels(12, 64, 64), quality=95)
    scan = data.index(b"\xff\xda")
    for end in range(scan + 20, len(data) - 2, 40):
        assert reason(data[:end]) == "corrupt"


def test_files_that_are_no_photos_are_refused_with_their_reason():
    assert reason(b"") == "empty"
    assert reason(b"words, and no photo") == "not_an_image"
    assert reason(b"\xff\xd8\xff\xe0 and then nothing of use") == "corrupt"
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "not_an_image"
    assert reason(saved(Image.new("F", (8, 8)), "TIFF")) == "unsupported_pixels"


def test_png_that_breaks_off_is_refused(photos):
    data = saved(Image.fromarray(photos.pixels(13, 64, 64)), "PNG")
    assert reason(data[: len(data) // 2]) == "corrupt"


def test_size_is_limited_before_anything_is_decoded(photos):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    bomb += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    assert reason(bomb) == "too_many_pixels"
    assert reason(photos.encode(photos.pixels(14, 40, 50)), max_pixels=1999) == "too_many_pixels"
    assert square_photo(photos.encode(photos.pixels(14, 40, 50)), 32, max_pixels=2000).shape == (32, 32, 3)


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(UnusablePhotoError("corrupt", "cut short")))
    assert error.args == ("corrupt", "cut short")
    assert str(error) == "corrupt: cut short"
