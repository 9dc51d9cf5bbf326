"""The bytes of a photo file to a square of pixels, or the reason why not."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import simplejpeg
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.errors import UnusablePhotoError

MAX_PIXELS: Final = 100_000_000

# What Pillow may try. Its other formats are no photos, and some of them start programs.
_FORMATS: Final = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

# Some of them are plugins that Pillow would load only when the formats are not limited.
Image.init()

# Checked below, before anything is decoded; Pillow's own limit is lower and only warns.
Image.MAX_IMAGE_PIXELS = None


def square_photo(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decodes a photo, brings its shorter side to `size` and cuts the centre square (P §2).

    Gives uint8 [size, size, 3], RGB, C-contiguous. A photo of that size is not resampled. Grey, CMYK,
    palette and 16-bit photos become RGB; what is transparent becomes white; of an animation, the first
    picture counts; EXIF orientation is ignored, as ImageNet's users do.
    Raises `UnusablePhotoError` with the reason `empty`, `not_an_image`, `corrupt`, `too_many_pixels` or
    `unsupported_pixels`.
    """
    if not data:
        raise UnusablePhotoError("empty", "the file has no bytes")
    pixels = _decode_jpeg(data, size, max_pixels) if data.startswith(b"\xff\xd8") else None
    if pixels is None:
        pixels = _decode_with_pillow(data, max_pixels)
    return _resample(_centre_square(pixels), size)


def _decode_jpeg(data: bytes, size: int, max_pixels: int) -> NDArray[np.uint8] | None:
    """The fast way, for nearly every photo; None where libjpeg-turbo is stricter than Pillow."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        _refuse_too_many_pixels(width, height, max_pixels)
        # Photos of twice the size and more are scaled down while decoding; below, that takes longer than it
        # saves.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_height=size, min_width=size, min_factor=2
        )
    except ValueError:
        return None
    return pixels


def _decode_with_pillow(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _refuse_too_many_pixels(image.width, image.height, max_pixels)
            return _to_rgb(image)
    except UnusablePhotoError:
        raise
    except UnidentifiedImageError as error:
        raise UnusablePhotoError("not_an_image", "not in a format known here") from error
    # Pillow's parsers let through whatever they trip over: SyntaxError, struct.error, EOFError, IndexError …
    except Exception as error:
        raise UnusablePhotoError("corrupt", " ".join(str(error).split())[:200]) from error


def _refuse_too_many_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise UnusablePhotoError("too_many_pixels", f"{width}×{height} is more than {max_pixels} pixels")


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if image.mode.startswith("I;16"):
        # Pillow would clip these at 255 and leave a white photo.
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise UnusablePhotoError("unsupported_pixels", f"{image.mode} pixels have no known range")
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _centre_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _resample(square: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if len(square) == size:
        return np.ascontiguousarray(square)
    # torch's antialiased bilinear works on bytes laid out as they are here: of the libraries at hand it is
    # the fastest, and it calculates in integers.
    pixels_1CHW = torch.from_numpy(np.array(square, order="C")).permute(2, 0, 1)[None]
    resized_1CHW = F.interpolate(pixels_1CHW, (size, size), mode="bilinear", antialias=True)
    resized: NDArray[np.uint8] = resized_1CHW[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(resized)
