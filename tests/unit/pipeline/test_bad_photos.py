"""Odd photos and bad ones, made by code: each is decoded rightly, or refused with a reason that stays."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UnusablePhotoError
from pipeline.photos.decode import square_photo

SIZE: Final = 32

# Pillow warns of some damage before it gives up, and people's programs go on after a warning.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def smooth(height: int = SIZE, width: int = SIZE, seed: int = 0, channels: int = 3) -> Image.Image:
    blobs = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    image = Image.fromarray(blobs if channels > 1 else blobs[..., 0])
    return image.resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def patched(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


def outcome(data: bytes, **options: int) -> str:
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


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """`rows` with a filter byte before each; `extra` are chunks between header and pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


def sixteen_bits(channels: int) -> np.ndarray:
    values = np.random.default_rng(channels).integers(0, 2**16, (SIZE, SIZE, channels), dtype=np.uint16)
    if channels in (2, 4):
        values[..., -1] = 2**16 - 1
    return values


def sixteen_bit_png(channels: int, *extra: bytes) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in sixteen_bits(channels))
    return png(SIZE, SIZE, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows, *extra)


def ycck() -> bytes:
    """A JPEG as programs for print write them: inks inverted, then turned into brightness and colour."""
    inks = 255 - np.asarray(smooth())
    planes = np.asarray(Image.fromarray(inks).convert("YCbCr"))
    stored = np.dstack([planes, np.full((SIZE, SIZE), 255, np.uint8)])
    # Pillow inverts what it writes, and says that it is CMYK.
    data = saved(Image.fromarray(255 - stored, "CMYK"), "JPEG", quality=98, subsampling=0)
    return patched(data, data.index(b"Adobe") + 11, b"\x02")


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG that says it is larger than it is."""
    data = saved(smooth(), "JPEG")
    return patched(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def tiff_with(tags: dict[int, int], image: Image.Image | None = None) -> bytes:
    """A TIFF whose header says otherwise than its pixels: values by tag."""
    data = saved(smooth() if image is None else image, "TIFF")
    directory = int.from_bytes(data[4:8], "little")
    for entry in range(
        directory + 2, directory + 2 + 12 * int.from_bytes(data[directory : directory + 2], "little"), 12
    ):
        tag, kind = struct.unpack("<HH", data[entry : entry + 4])
        if tag in tags:
            data = patched(data, entry + 8, struct.pack("<H" if kind == 3 else "<I", tags[tag]))
    return data


def tiff_with_giant_second_page() -> bytes:
    data = saved(smooth(), "TIFF", save_all=True, append_images=[smooth(seed=1)])
    second = int.from_bytes(data[4:8], "little")
    second += 2 + 12 * int.from_bytes(data[second : second + 2], "little")
    second = int.from_bytes(data[second : second + 4], "little")
    assert struct.unpack("<H", data[second + 2 : second + 4]) == (256,)
    for entry in (second + 2, second + 14):
        kind = struct.unpack("<H", data[entry + 2 : entry + 4])
        data = patched(data, entry + 8, struct.pack("<H" if kind == (3,) else "<I", 65_000))
    return data


def animation(form: str, **options: object) -> bytes:
    return saved(smooth(), form, save_all=True, append_images=[smooth(seed=1)], **options)


def gif_with_giant_second_picture() -> bytes:
    data = animation("GIF")
    first = data.index(b"\x2c\0\0\0\0")
    return patched(data, data.index(b"\x2c\0\0\0\0", first + 1) + 5, b"\xff\xff\xff\xff")


def gif_whose_picture_is_larger_than_its_canvas() -> bytes:
    data = saved(smooth(), "GIF")
    return patched(data, data.index(b"\x2c\0\0\0\0") + 5, b"\xff\xff\xff\xff")


def webp_of_canvas(side: int) -> bytes:
    data = animation("WEBP")
    return patched(data, data.index(b"VP8X") + 12, 2 * (side - 1).to_bytes(3, "little"))


def mpo_whose_second_picture_breaks_off() -> bytes:
    data = saved(smooth(), "MPO", save_all=True, append_images=[smooth(seed=1)], quality=95)
    return data[: data.rindex(b"\xff\xda") + 30]


def damaged_png() -> bytes:
    data = saved(smooth(64, 64), "PNG")
    return patched(data, data.index(b"IDAT") + 40, b"\x55" * 8)


def damaged_jpeg() -> bytes:
    """Sixteen bytes in the middle of the pixels that mean nothing."""
    data = saved(smooth(128, 128), "JPEG", quality=95)
    return patched(data, (data.index(b"\xff\xda") + len(data)) // 2, b"\xff\x00" * 8)


REFUSED: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "nothing": (lambda: b"", "empty"),
    "one byte": (lambda: b"\xff", "not_an_image"),
    "zeros": (lambda: bytes(1000), "not_an_image"),
    "words": (lambda: b"words, and no photo", "not_an_image"),
    "web page": (lambda: b"<!DOCTYPE html><html>404</html>", "not_an_image"),
    "drawing": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not_an_image"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
    "PDF": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not_an_image"),
    "HEIC": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), "not_an_image"),
    "archive": (lambda: b"PK\x03\x04" + bytes(60), "not_an_image"),
    "JPEG of markers alone": (lambda: b"\xff\xd8\xff\xe0 and then nothing of use", "corrupt"),
    "JPEG without rows": (lambda: jpeg_of_size(SIZE, 0), "corrupt"),
    "JPEG without columns": (lambda: jpeg_of_size(0, SIZE), "corrupt"),
    "JPEG with fewer rows than it says": (lambda: jpeg_of_size(SIZE, 4 * SIZE), "corrupt"),
    "JPEG without its end marker": (lambda: saved(smooth(), "JPEG")[:-2], "corrupt"),
    "JPEG with half its end marker": (lambda: saved(smooth(), "JPEG")[:-1], "corrupt"),
    "JPEG damaged in its pixels": (damaged_jpeg, "corrupt"),
    "PNG without columns": (lambda: png(0, SIZE, 8, 2, b""), "corrupt"),
    "PNG without pixels": (lambda: png(SIZE, SIZE, 8, 2, b""), "corrupt"),
    "PNG damaged in its pixels": (damaged_png, "corrupt"),
    "PNG of a depth that does not exist": (lambda: png(SIZE, SIZE, 5, 2, bytes(3200)), "corrupt"),
    "GIF without a canvas": (lambda: b"GIF89a" + bytes(7) + b";", "corrupt"),
    "WebP of another length than it says": (lambda: saved(smooth(), "WEBP")[:-40], "corrupt"),
    "JPEG bomb": (lambda: jpeg_of_size(65_500, 65_500), "too_many_pixels"),
    "PNG bomb": (lambda: png(60_000, 60_000, 8, 2, bytes(10)), "too_many_pixels"),
    "PNG bomb of one bit": (lambda: png(2**31 - 1, 2**31 - 1, 1, 0, bytes(10)), "too_many_pixels"),
    "GIF bomb": (lambda: patched(saved(smooth(), "GIF"), 6, b"\xff\xff\xff\xff"), "too_many_pixels"),
    "GIF bomb in its first picture": (gif_whose_picture_is_larger_than_its_canvas, "too_many_pixels"),
    "BMP bomb": (
        lambda: patched(saved(smooth(), "BMP"), 18, struct.pack("<ii", 60_000, 60_000)),
        "too_many_pixels",
    ),
    "PPM bomb": (lambda: b"P6 60000 60000 255\n" + bytes(100), "too_many_pixels"),
    "TIFF bomb": (lambda: tiff_with({256: 60_000, 257: 60_000}), "too_many_pixels"),
    "WebP bomb": (lambda: webp_of_canvas(16_383), "too_many_pixels"),
    "TIFF of floats": (lambda: saved(Image.new("F", (8, 8)), "TIFF"), "unsupported_pixels"),
    "TIFF of 32-bit integers": (lambda: saved(Image.new("I", (8, 8)), "TIFF"), "unsupported_pixels"),
    "TIFF of 16 bits whose 0 is white": (
        lambda: tiff_with({262: 0}, Image.fromarray(sixteen_bits(1)[..., 0])),
        "unsupported_pixels",
    ),
}

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


@pytest.mark.parametrize("name", REFUSED)
def test_bad_photo_is_refused_with_its_reason(name):
    make, reason = REFUSED[name]
    assert outcome(make()) == reason


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
        reasons = {"used", "corrupt", "not_an_image", "too_many_pixels", "unsupported_pixels"}
        assert outcome(bytes(damaged)) in reasons
