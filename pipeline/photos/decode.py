"""The bytes of a photo file to a square of pixels, or the reason why not."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
import simplejpeg
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    TILELENGTH,
    TILEWIDTH,
    TiffImageFile,
)

from pipeline.config import ExifOrientation
from pipeline.errors import UnusablePhotoError
from pipeline.photos.jpeg_scans import MAX_SCANS, has_too_many_scans, is_one_scan
from pipeline.photos.orientation import AS_STORED, Turn, turn_of, turn_of_jpeg

MAX_PIXELS: Final = 100_000_000

# What Pillow may try. Its other formats are no photos, and some of them start programs.
_FORMATS: Final = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

# Some of them are plugins that Pillow would load only when the formats are not limited.
Image.init()

# Checked below, before anything is decoded; Pillow's own limit is lower and only warns.
Image.MAX_IMAGE_PIXELS = None

# What libjpeg-turbo says of lost pixels. Pillow would show something else in their place.
_LOST_PIXELS: Final = (
    "Premature end",
    "premature end",
    "bad Huffman code",
    "bad arithmetic",
    "instead of RST",
)

# Modes in which pixels may be averaged as they are.
_AVERAGED_MODES: Final = ("L", "LA", "RGB", "RGBA")
_WHITE: Final = 255
# By libjpeg-turbo, each side.
_MOST_SCALED_DOWN: Final = 8
_SHOWN_CHARACTERS: Final = 200


def square_photo(
    data: bytes,
    size: int,
    *,
    exif: ExifOrientation = "ignore",
    max_pixels: int = MAX_PIXELS,
    hold: Callable[[int], None] = lambda _: None,
) -> NDArray[np.uint8]:
    """Decodes a photo, brings its shorter side to `size` and cuts the centre square (P §2).

    Gives uint8 [size, size, 3], RGB, C-contiguous. A photo of that size is not resampled. Grey, CMYK,
    palette and 16-bit photos become RGB; what is transparent becomes white; of an animation or of several
    pictures, the first counts. With `exif="apply"` the photo is turned as its EXIF orientation says;
    otherwise its pixels stay as they are stored, as ImageNet's users have them. `hold` is called before
    anything is decoded, with how many pixels will be in memory at a time: again where libjpeg-turbo gives
    the photo up and Pillow tries it.
    Raises `UnusablePhotoError` with the reason `empty`, `not_an_image`, `corrupt`, `too_many_pixels`,
    `too_many_scans` or `unsupported_pixels`, and MemoryError. A JPEG without its end marker is corrupt:
    nothing tells that its pixels are whole.
    """
    if not data:
        raise UnusablePhotoError("empty", "the file has no bytes")
    square = None
    if data.startswith(b"\xff\xd8"):
        if has_too_many_scans(data):
            raise UnusablePhotoError("too_many_scans", f"a JPEG of more than {MAX_SCANS} scans")
        square = _decode_jpeg(data, size, exif, max_pixels, hold)
    if square is None:
        square = _decode_with_pillow(data, size, exif, max_pixels, hold)
    return _resample(square, size)


def _decode_jpeg(
    data: bytes, size: int, exif: ExifOrientation, max_pixels: int, hold: Callable[[int], None]
) -> NDArray[np.uint8] | None:
    """The fast way, for nearly every photo; None where libjpeg-turbo is stricter than Pillow."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        _refuse_too_many_pixels(width, height, max_pixels)
        hold(_pixels_at_a_time(data, width, height, size))
        # Photos of twice the size and more are scaled down while decoding; below, that takes longer than it
        # saves.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_height=size, min_width=size, min_factor=2
        )
    except ValueError as error:
        if any(words in str(error) for words in _LOST_PIXELS):
            raise UnusablePhotoError("corrupt", str(error)) from error
        return None
    turn = turn_of_jpeg(data) if exif == "apply" else AS_STORED
    left, top, side = turn.centre(pixels.shape[1], pixels.shape[0])
    return turn.applied(pixels[top : top + side, left : left + side])


def _pixels_at_a_time(data: bytes, width: int, height: int, size: int) -> int:
    """Of a JPEG that is scaled down while decoding: row by row, but where each scan goes over all of them."""
    scaled_down = min(min(width, height) // size, _MOST_SCALED_DOWN)
    return width * height // scaled_down if scaled_down > 1 and is_one_scan(data) else width * height


def _decode_with_pillow(
    data: bytes, size: int, exif: ExifOrientation, max_pixels: int, hold: Callable[[int], None]
) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _refuse_too_many_pixels(image.width, image.height, max_pixels)
            tile_width, tile_height = _tile_of(image)
            _refuse_too_many_pixels(tile_width, tile_height, max_pixels)
            hold(max(image.width * image.height, tile_width * tile_height))
            image.draft(None, (size, size))
            turn = _turn_of_tiff(image, exif) if image.format == "TIFF" else None
            image.load()
            if turn is None:
                # Asked for before, Pillow would load a PNG to know, and what is wrong with it be lost.
                turn = turn_of(image) if exif == "apply" else AS_STORED
            return turn.applied(_square_of(image, turn, size))
    # That memory is short is no fault of the photo.
    except (UnusablePhotoError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        if _begins_as_an_image(data):
            raise UnusablePhotoError("corrupt", "its header is damaged or cut short") from error
        raise UnusablePhotoError("not_an_image", "not in a format known here") from error
    # Pillow's parsers let through whatever they trip over: SyntaxError, struct.error, EOFError, IndexError …
    except Exception as error:
        said = " ".join(str(error).split())[:_SHOWN_CHARACTERS] or type(error).__name__
        raise UnusablePhotoError("corrupt", said) from error


def _begins_as_an_image(data: bytes) -> bool:
    accepts = (Image.OPEN[form][1] for form in _FORMATS)
    return any(accept is not None and accept(data[:16]) for accept in accepts)


def _refuse_too_many_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise UnusablePhotoError("too_many_pixels", f"{width}×{height} is more than {max_pixels} pixels")


def _tile_of(image: Image.Image) -> tuple[int, int]:
    """Width and height of a TIFF's tiles: each is decoded whole, however little of it the picture has."""
    if not isinstance(image, TiffImageFile):
        return 0, 0
    return int(image.tag_v2.get(TILEWIDTH, 0)), int(image.tag_v2.get(TILELENGTH, 0))


def _turn_of_tiff(image: Image.Image, exif: ExifOrientation) -> Turn:
    # Pillow turns these itself when it loads them, whether it is asked to or not.
    return AS_STORED if exif == "apply" else turn_of(image).reverted()


def _square_of(image: Image.Image, turn: Turn, size: int) -> NDArray[np.uint8]:
    """The centre in RGB: of its own size, or of `size` where it has twice that and more."""
    left, top, side = turn.centre(image.width, image.height)
    box = (left, top, left + side, top + side)
    if image.mode not in _AVERAGED_MODES or "transparency" in image.info:
        image, box = _in_bytes(image, box), (0, 0, side, side)
    if side >= 2 * size:
        # Scaled before it is copied further: of a large photo, each copy counts.
        image = image.resize((size, size), Image.Resampling.BILINEAR, box, reducing_gap=3)
    else:
        image = image.crop(box)
    if image.mode in ("LA", "RGBA"):
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _in_bytes(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """What lies in the box, in a mode in which pixels may be averaged."""
    cut = image.crop(box)
    if image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I"):
        return _high_bytes(image, cut)
    if image.mode in ("I", "F"):
        raise UnusablePhotoError("unsupported_pixels", f"{image.mode} pixels have no known range")
    return cut.convert("RGBA" if cut.has_transparency_data else "RGB")


def _high_bytes(image: Image.Image, cut: Image.Image) -> Image.Image:
    """A cut of a 16-bit grey image in 8 bits; Pillow would clip it at 255 and leave a white photo."""
    if isinstance(image, TiffImageFile):
        bits, photometric = image.tag_v2.get(BITSPERSAMPLE), image.tag_v2.get(PHOTOMETRIC_INTERPRETATION)
        # Pillow gives 12 bits as they are, and does not mind whether 0 is black or white.
        if bits != (16,) or photometric != 1:
            raise UnusablePhotoError("unsupported_pixels", f"TIFF of {bits} bits, photometric {photometric}")
    values = np.asarray(cut)
    grey = (values >> 8).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = _WHITE
    return Image.fromarray(grey)


def _resample(square: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    # Pillow's arrays are read-only, and torch warns of them.
    square = np.require(square, requirements=("C", "W"))
    if len(square) == size:
        return square
    # torch's antialiased bilinear works on bytes laid out as they are here: of the libraries at hand it is
    # the fastest, and it calculates in integers. The axis of the batch comes before the others are permuted:
    # its stride tells torch that the pixels lie as it wants them. Otherwise it takes three times as long.
    pixels_NHWC = torch.from_numpy(square)[None]
    resized_NCHW = F.interpolate(
        pixels_NHWC.permute(0, 3, 1, 2), (size, size), mode="bilinear", antialias=True
    )
    resized: NDArray[np.uint8] = resized_NCHW[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(resized)
