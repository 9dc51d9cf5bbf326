"""Odd photos and bad ones, made by code: each is decoded rightly, or refused with a reason that stays."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from bad_photos import (
    REFUSED,
    SIZE,
    animation,
    gif_with_giant_second_picture,
    jpeg_of_scans,
    mpo_whose_second_picture_breaks_off,
    png_chunk,
    saved,
    sixteen_bit_png,
    sixteen_bits,
    smooth,
    tiff_with_giant_second_page,
    tiled_tiff,
    ycck,
)
from PIL import Image

from pipeline.errors import UnusablePhotoError
from pipeline.photos.decode import square_photo
from pipeline.photos.jpeg_segments import START_OF_SCAN, header_segments

# Pillow warns of some damage before it gives up, and people's programs go on after a warning.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def outcome(data: bytes, **options: int | str) -> str:
    """The reason of a refusal, or `used`. Any other error is one."""
    try:
        square = square_photo(data, SIZE, **options)
    except UnusablePhotoError as error:
        reason, detail = error.args
        assert detail
        assert "\n" not in detail
        return reason
    assert square.shape == (SIZE, SIZE, 3)
    assert square.dtype == np.uint8
    return "used"


USED: Final[dict[str, tuple[Callable[[], bytes], Callable[[], Image.Image]]]] = {
    "progressive JPEG": (lambda: saved(smooth(), "JPEG", quality=98, progressive=True), smooth),
    "JPEG with bytes after its end": (lambda: saved(smooth(), "JPEG", quality=98) + b"more" * 9, smooth),
    "grey JPEG": (
        lambda: saved(smooth(channels=1), "JPEG", quality=98),
        lambda: smooth(channels=1).convert("RGB"),
    ),
    "CMYK JPEG": (lambda: saved(smooth().convert("CMYK"), "JPEG", quality=98), smooth),
    "YCCK JPEG": (ycck, smooth),
    "CMYK TIFF": (lambda: saved(smooth().convert("CMYK"), "TIFF"), smooth),
    "YCbCr TIFF": (lambda: saved(smooth().convert("YCbCr"), "TIFF"), smooth),
    "MPO": (mpo_whose_second_picture_breaks_off, smooth),
    "animated GIF": (lambda: animation("GIF"), lambda: smooth().quantize(256).convert("RGB")),
    "GIF with a giant second picture": (
        gif_with_giant_second_picture,
        lambda: smooth().quantize(256).convert("RGB"),
    ),
    "animated PNG": (lambda: animation("PNG"), smooth),
    "animated WebP": (lambda: animation("WEBP", lossless=True), smooth),
    "TIFF with a giant second page": (tiff_with_giant_second_page, smooth),
    "grey and alpha": (
        lambda: saved(Image.merge("LA", (smooth(channels=1), Image.new("L", (SIZE, SIZE), 255))), "PNG"),
        lambda: smooth(channels=1).convert("RGB"),
    ),
    "16-bit grey PNG": (
        lambda: sixteen_bit_png(1),
        lambda: Image.fromarray((sixteen_bits(1)[..., 0] >> 8).astype(np.uint8)).convert("RGB"),
    ),
    "16-bit grey and alpha PNG": (
        lambda: sixteen_bit_png(2),
        lambda: Image.fromarray((sixteen_bits(2)[..., 0] >> 8).astype(np.uint8)).convert("RGB"),
    ),
    "16-bit RGB PNG": (
        lambda: sixteen_bit_png(3),
        lambda: Image.fromarray((sixteen_bits(3) >> 8).astype(np.uint8)),
    ),
    "16-bit RGBA PNG": (
        lambda: sixteen_bit_png(4),
        lambda: Image.fromarray((sixteen_bits(4)[..., :3] >> 8).astype(np.uint8)),
    ),
    "16-bit grey TIFF": (
        lambda: saved(Image.fromarray(sixteen_bits(1)[..., 0]), "TIFF"),
        lambda: Image.fromarray((sixteen_bits(1)[..., 0] >> 8).astype(np.uint8)).convert("RGB"),
    ),
    "16-bit grey PGM": (
        lambda: b"P5 32 32 65535\n" + sixteen_bits(1).astype(">u2").tobytes(),
        lambda: Image.fromarray((sixteen_bits(1)[..., 0] >> 8).astype(np.uint8)).convert("RGB"),
    ),
    "one bit": (
        lambda: saved(smooth().convert("1"), "PNG"),
        lambda: smooth().convert("1").convert("RGB"),
    ),
}


@pytest.mark.parametrize("exif", ["ignore", "apply"])
@pytest.mark.parametrize("name", REFUSED)
def test_bad_photo_is_refused_with_its_reason(name, exif):
    make, reason = REFUSED[name]
    assert outcome(make(), exif=exif) == reason


@pytest.mark.parametrize("name", USED)
def test_odd_photo_shows_what_was_in_it(name):
    make, expected = USED[name]
    difference = square_photo(make(), SIZE).astype(int) - np.asarray(expected())
    assert np.abs(difference).max() <= (12 if "JPEG" in name or "YC" in name or name == "MPO" else 1)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 16_000), (16_000, 1), (3, 2)])
def test_thread_of_a_photo_becomes_its_centre(form, width, height):
    """One colour but for the ends, which no centre square reaches."""
    pixels = np.full((height, width, 3), 200, np.uint8)
    if width * height > 100:
        pixels[0, 0] = pixels[-1, -1] = 0
    square = square_photo(saved(Image.fromarray(pixels), form), SIZE)
    assert np.abs(square.astype(int) - 200).max() <= 3


@pytest.mark.parametrize(("width", "height"), [(65_500, 8), (8, 65_500), (1, 20_000), (20_000, 1)])
@pytest.mark.parametrize("progressive", [False, True])
def test_longest_jpeg_there_can_be_is_used(width, height, progressive):
    data = saved(Image.new("RGB", (width, height), (90, 120, 30)), "JPEG", progressive=progressive)
    assert np.abs(square_photo(data, SIZE).astype(int) - (90, 120, 30)).max() <= 3
    assert outcome(data, max_pixels=width * height - 1) == "too_many_pixels"


def test_scans_are_counted_where_a_jpeg_has_them_and_nowhere_else():
    comment = b"\xff\xfe" + struct.pack(">H", 402) + b"\xff\xda\x00\x02" * 100
    hundred = jpeg_of_scans(100)
    assert outcome(hundred[:2] + comment + hundred[2:] + b"\xff\xda\x00\x02" * 1000) == "used"
    # A marker that libjpeg finds behind bytes that mean nothing.
    assert outcome(hundred[:2] + b"stray" + jpeg_of_scans(101)[2:]) == "too_many_scans"
    every_component_apart = saved(smooth(), "JPEG").replace(b"\xff\xda\x00\x0c\x03", b"\xff\xda\x00\x0c\x01")
    again = every_component_apart[every_component_apart.index(b"\xff\xda") : -2]
    assert outcome(every_component_apart[:-2] + again * 100 + b"\xff\xd9") == "too_many_scans"


def test_a_comment_cannot_pass_for_the_header_of_a_jpeg():
    # Taken for a marker, the byte before the comment's leads to the frame of one scan in it.
    forged_at = 4 + 0xFEFF
    forged = b"\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03" + bytes(9) + b"\xff\xda\x00\x0c\x03"
    comment = b"\xff\xff\xfe\xff\xff" + bytes(0xFFFD)
    place = forged_at - 2
    comment = comment[:place] + forged + comment[place + len(forged) :]
    for scans, becomes in ((100, "used"), (101, "too_many_scans")):
        data = jpeg_of_scans(scans)
        assert outcome(data[:2] + comment + data[2:]) == becomes


@pytest.mark.parametrize("between", [b"\xff", b"\xff\xff\xff", b"\xff\x01", b"\xff\xd0\xff\xd7"])
def test_what_decoders_pass_over_between_segments_is_passed_over(between):
    plain = saved(smooth(), "JPEG")
    markers = [segment.marker for segment in header_segments(plain)]
    assert markers[-1] == START_OF_SCAN
    assert [segment.marker for segment in header_segments(plain[:2] + between + plain[2:])] == markers
    assert list(header_segments(plain[:2] + b"\xff\0" + plain[2:])) == []


def test_tiles_of_a_tiff_count_whole():
    small = tiled_tiff(side=40, tile=256)
    held = []
    square_photo(small, SIZE, hold=held.append)
    assert held == [256 * 256]
    assert outcome(small, max_pixels=256 * 256) == "used"
    assert outcome(small, max_pixels=256 * 256 - 1) == "too_many_pixels"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM"])
def test_limit_of_pixels_holds_in_every_format(form):
    data = saved(smooth(40, 50), form)
    assert outcome(data, max_pixels=1999) == "too_many_pixels"
    assert outcome(data, max_pixels=2000) == "used"


def transparent() -> dict[str, bytes]:
    """The left half see-through, the right half (10, 200, 30), in every way a PNG can say so."""
    left = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % SIZE < SIZE // 2
    rgba = np.where(left[..., None], (255, 0, 0, 0), (10, 200, 30, 255)).astype(np.uint8)
    palette = Image.fromarray(np.where(left, 0, 1).astype(np.uint8), "P")
    palette.putpalette([255, 0, 0, 10, 200, 30])
    return {
        "alpha": saved(Image.fromarray(rgba), "PNG"),
        "palette": saved(palette, "PNG", transparency=0),
        "palette with alphas": saved(palette, "PNG", transparency=b"\0\xff"),
        "key colour": saved(Image.fromarray(rgba[..., :3]), "PNG", transparency=(255, 0, 0)),
        "GIF": saved(palette, "GIF", transparency=0),
        "WebP": saved(Image.fromarray(rgba), "WEBP", lossless=True),
    }


@pytest.mark.parametrize("name", transparent())
def test_see_through_becomes_white_and_the_rest_stays(name):
    square = square_photo(transparent()[name], SIZE)
    assert (square[:, : SIZE // 2] == 255).all()
    assert (square[:, SIZE // 2 :] == (10, 200, 30)).all()


def test_key_grey_of_sixteen_bits_becomes_white():
    values = sixteen_bits(1)[..., 0]
    key = values[5, 6]
    square = square_photo(sixteen_bit_png(1, png_chunk(b"tRNS", struct.pack(">H", key))), SIZE)
    assert np.array_equal(square[..., 1], np.where(values == key, 255, values >> 8))


CUT: Final[dict[str, Callable[[], bytes]]] = {
    "JPEG": lambda: saved(smooth(60, 80), "JPEG"),
    "progressive JPEG": lambda: saved(smooth(60, 80), "JPEG", progressive=True),
    "PNG": lambda: saved(smooth(30, 40), "PNG"),
    "WebP": lambda: saved(smooth(60, 80), "WEBP"),
    "lossless WebP": lambda: saved(smooth(30, 40), "WEBP", lossless=True),
    "GIF": lambda: saved(smooth(30, 40), "GIF"),
    "BMP": lambda: saved(smooth(30, 40), "BMP"),
    "PPM": lambda: saved(smooth(30, 40), "PPM"),
    "TIFF": lambda: saved(smooth(30, 40), "TIFF"),
    "compressed TIFF": lambda: saved(smooth(30, 40), "TIFF", compression="tiff_lzw"),
}
# How many bytes at a file's end hold nothing of its pixels. None of a JPEG's: without its end marker,
# nothing tells that the last of them are whole.
WITHOUT_PIXELS: Final = {"PNG": 24, "GIF": 2, "BMP": 2}


@pytest.mark.parametrize("name", CUT)
def test_photo_cut_anywhere_is_refused_unless_its_pixels_are_whole(name):
    data = CUT[name]()
    whole = square_photo(data, SIZE)
    # Every tenth byte, and every one of the last, where a reader is most easily content.
    for end in {*range(0, len(data), 10), *range(len(data) - 40, len(data))}:
        found = outcome(data[:end])
        if found == "used":
            assert end >= len(data) - WITHOUT_PIXELS.get(name, 0)
            assert np.array_equal(square_photo(data[:end], SIZE), whole)
        elif end == 0:
            assert found == "empty"
        else:
            # Of the first bytes, too little is left to tell what it was.
            assert found == "corrupt" or (found == "not_an_image" and end < 16)


@pytest.mark.parametrize("name", CUT)
def test_photo_with_flipped_bytes_is_decoded_or_refused_and_nothing_else(name):
    data = CUT[name]()
    rng = np.random.default_rng(len(name))
    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            damaged[place] = rng.integers(256)
        reasons = {
            "used",
            "corrupt",
            "not_an_image",
            "too_many_pixels",
            "too_many_scans",
            "unsupported_pixels",
        }
        assert outcome(bytes(damaged)) in reasons
