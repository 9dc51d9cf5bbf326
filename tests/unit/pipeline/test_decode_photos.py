"""What becomes of the bytes of a photo."""

from __future__ import annotations

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from fresh_process import run
from PIL import Image, ImageOps

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


DECODE_WITH_LITTLE_MEMORY = """
import pathlib, resource, sys
from pipeline.photos.decode import square_photo
data = pathlib.Path(sys.argv[1]).read_bytes()
pages, _ = pathlib.Path("/proc/self/statm").read_text().split(maxsplit=1)
size = int(pages) * resource.getpagesize() + 40 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (size, size))
try:
    square_photo(data, 32)
except Exception as error:
    print(type(error).__name__)
"""


def test_memory_that_is_short_is_no_fault_of_the_photo(tmp_path):
    (tmp_path / "large.png").write_bytes(saved(Image.new("L", (9000, 9000), 90), "PNG"))
    assert run(DECODE_WITH_LITTLE_MEMORY, tmp_path / "large.png").split() == ["MemoryError"]
    assert square_photo((tmp_path / "large.png").read_bytes(), 32).max() == 90


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


@pytest.mark.parametrize("size", [36, 40, 45, 50, 55, 60, 63])
@pytest.mark.parametrize("axis", [0, 1])
def test_pattern_finer_than_the_target_fades(size, axis):
    """Between once and twice the target the filter must widen with the reduction: a fixed one lets half of
    the stripes through, none all of them."""
    stripes = np.zeros((size, size, 3), np.uint8)
    stripes[::2] = 255
    image = Image.fromarray(stripes.swapaxes(0, axis))
    square = square_photo(saved(image, "PNG"), 32).astype(int)
    assert np.abs(square - expected_square(image, 32)).max() <= 2
    if size >= 45:
        assert np.abs(square[4:-4, 4:-4] - 128).max() <= 40


@pytest.mark.parametrize("factor", [2, 3, 5.3, 20])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_large_photo_is_reduced_as_pillow_would(photos, mode, factor):
    side = round(32 * factor)
    pixels = np.dstack([photos.pixels(15, side, side + 7), photos.pixels(16, side, side + 7)[..., :1]])
    image = Image.fromarray(pixels).convert(mode)
    paper = Image.new("RGBA", image.size, "white")
    expected = expected_square(Image.alpha_composite(paper, image.convert("RGBA")), 32)
    assert np.abs(square_photo(saved(image, "PNG"), 32).astype(int) - expected).max() <= 3


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


TURNED_FORMS = {
    "JPEG": {"quality": 98, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_lzw"},
}


def marked(image: Image.Image, form: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, form, exif=exif, **TURNED_FORMS[form])


def turned_by_pillow(data: bytes, size: int) -> np.ndarray:
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)).convert("RGB"))
    return square_photo(saved(turned, "PNG"), size)


@pytest.mark.parametrize("form", TURNED_FORMS)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("height", "width"), [(32, 61), (61, 32), (43, 50), (50, 43), (20, 25)])
def test_turned_photo_is_cut_where_it_is_shown(form, orientation, height, width):
    """Noise, so that a square cut one pixel off is another square."""
    noise = np.random.default_rng(17).integers(0, 256, (height, width, 3), dtype=np.uint8)
    data = marked(Image.fromarray(noise), form, orientation)
    difference = square_photo(data, 32, exif="apply").astype(int) - turned_by_pillow(data, 32)
    assert np.abs(difference).max() <= (2 if form == "JPEG" else 0)


@pytest.mark.parametrize("form", TURNED_FORMS)
@pytest.mark.parametrize("orientation", [2, 3, 5, 6])
def test_large_photo_is_turned_too(photos, form, orientation):
    data = marked(Image.fromarray(photos.pixels(18, 301, 400)), form, orientation)
    difference = square_photo(data, 32, exif="apply").astype(int) - turned_by_pillow(data, 32)
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("form", TURNED_FORMS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_in_the_file_is_ignored_unless_asked_for(photos, form, orientation):
    image = Image.fromarray(photos.pixels(11, 32, 45))
    plain = saved(image, form, **TURNED_FORMS[form])
    assert np.array_equal(square_photo(marked(image, form, orientation), 32), square_photo(plain, 32))


def test_orientation_in_xmp_counts_where_exif_has_none(photos):
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = saved(Image.fromarray(photos.pixels(19, 32, 45)), "JPEG", xmp=xmp)
    assert not np.array_equal(square_photo(data, 32, exif="apply"), square_photo(data, 32))
    assert np.abs(square_photo(data, 32, exif="apply").astype(int) - turned_by_pillow(data, 32)).max() <= 2


def test_orientation_is_found_behind_other_segments_and_padding(photos):
    data = marked(Image.fromarray(photos.pixels(22, 32, 45)), "JPEG", 6)
    profile = b"\xff\xe2" + struct.pack(">H", 60_002) + b"\xff\xda" * 30_000
    for before in (profile * 3, b"\xff" * 7):
        late = data[:2] + before + data[2:]
        assert np.array_equal(square_photo(late, 32, exif="apply"), square_photo(data, 32, exif="apply"))
    assert not np.array_equal(square_photo(data, 32, exif="apply"), square_photo(data, 32))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0", b"Exif\0\0words", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
# Pillow warns of it; so do people's terminals.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_exif_does_no_harm(photos, form, exif):
    image = Image.fromarray(photos.pixels(20, 32, 45))
    data = saved(image, form, exif=exif, **TURNED_FORMS[form])
    plain = saved(image, form, **TURNED_FORMS[form])
    assert np.array_equal(square_photo(data, 32, exif="apply"), square_photo(plain, 32))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_that_does_not_exist_turns_nothing(photos, orientation):
    image = Image.fromarray(photos.pixels(21, 32, 45))
    data = marked(image, "JPEG", orientation)
    assert np.array_equal(square_photo(data, 32, exif="apply"), square_photo(data, 32))


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


@pytest.mark.parametrize(
    ("size", "form", "options", "pixels"),
    [
        ((1000, 800), "PNG", {}, 1000 * 800),
        ((60, 50), "JPEG", {}, 60 * 50),
        # Scaled down row by row.
        ((1000, 800), "JPEG", {}, 1000 * 800 // 8),
        ((6000, 100), "JPEG", {}, 6000 * 100 // 3),
        # Each of its scans goes over all of them.
        ((1000, 800), "JPEG", {"progressive": True}, 1000 * 800),
    ],
)
def test_how_many_pixels_it_will_hold_is_said_before(
    size: tuple[int, int], form: str, options: dict[str, bool], pixels: int
) -> None:
    held: list[int] = []
    square_photo(saved(Image.new("RGB", size), form, **options), 32, hold=held.append)
    assert held == [pixels]


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(UnusablePhotoError("corrupt", "cut short")))
    assert error.args == ("corrupt", "cut short")
    assert str(error) == "corrupt: cut short"
