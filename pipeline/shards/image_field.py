"""How a square of pixels is stored in a shard: raw, or as a JPEG with its checksum, in FFCV's image field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pipeline.config import ChromaSubsampling
from pipeline.ffcv_import import ffcv_import
from pipeline.shards.sample_checksum import sealed

with ffcv_import():
    from ffcv.fields.rgb_image import IMAGE_MODES, RGBImageField

_SUBSAMPLINGS: Final = MappingProxyType({"4:2:0": "420", "4:4:4": "444"})

# Takes a number of bytes; gives their place in the file and where to write them.
Malloc = Callable[[int], tuple[int, NDArray[np.uint8]]]


class Square(NamedTuple):
    """The pixels of a sample, uint8 [S, S, 3] in RGB and C-contiguous, and whether they are stored raw."""

    pixels: NDArray[np.uint8]
    raw: bool


def square_field(*, jpeg_quality: int, chroma_subsampling: ChromaSubsampling) -> RGBImageField:
    """A field for FFCV's DatasetWriter that takes a `Square` per sample, and that FFCV's readers take for one
    of theirs."""
    # FFCV names a field's type in the file by its exact class: a subclass would be of no known type.
    field = RGBImageField()
    field.encode = _SquareEncoder(jpeg_quality, _SUBSAMPLINGS[chroma_subsampling])
    return field


@dataclass(frozen=True)
class _SquareEncoder:
    """What stands in for RGBImageField's `encode`: the same bytes of metadata, and other JPEGs."""

    jpeg_quality: int
    subsampling: str

    def __call__(self, destination: NDArray[Any], square: Square, malloc: Malloc) -> None:
        stored = np.ravel(square.pixels) if square.raw else self._jpeg(square.pixels)
        destination["mode"] = IMAGE_MODES["raw" if square.raw else "jpg"]
        destination["height"], destination["width"] = square.pixels.shape[:2]
        destination["data_ptr"], storage = malloc(len(stored))
        storage[:] = stored

    def _jpeg(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # A sixth faster than OpenCV, which wants blue first.
        return sealed(simplejpeg.encode_jpeg(pixels, self.jpeg_quality, "RGB", self.subsampling))
