"""Which way up a photo is to be shown."""

from __future__ import annotations

import io
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from pipeline.photos.jpeg_segments import START_OF_SCAN, header_segments

# A JPEG that has neither before its pixels says nothing of it, and need not be opened by Pillow to find out.
_MARKS: Final = (b"Exif\0\0", b"tiff:Orientation")


class Turn(NamedTuple):
    """From pixels as stored to the photo as shown: rows and columns reversed or not, then exchanged."""

    rows_reversed: bool = False
    columns_reversed: bool = False
    exchanged: bool = False

    def centre(self, width: int, height: int) -> tuple[int, int, int]:
        """Left, top and side of the square of stored pixels that is the centre of the photo as shown.

        Of an odd margin the smaller half is on the left, or above: of the photo as shown.
        """
        side = min(width, height)
        return (width - side + self.columns_reversed) // 2, (height - side + self.rows_reversed) // 2, side

    def applied(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels as shown: uint8 [H, W, 3], a view."""
        shown = stored[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1]
        return shown.swapaxes(0, 1) if self.exchanged else shown

    def reverted(self) -> Turn:
        """The turn from shown to stored."""
        return Turn(self.columns_reversed, self.rows_reversed, True) if self.exchanged else self


AS_STORED: Final = Turn()

# By the number that EXIF gives them.
_TURNS: Final = MappingProxyType(
    {
        2: Turn(columns_reversed=True),
        3: Turn(rows_reversed=True, columns_reversed=True),
        4: Turn(rows_reversed=True),
        5: Turn(exchanged=True),
        6: Turn(rows_reversed=True, exchanged=True),
        7: Turn(rows_reversed=True, columns_reversed=True, exchanged=True),
        8: Turn(columns_reversed=True, exchanged=True),
    }
)


def turn_of(image: Image.Image) -> Turn:
    """What an opened image says of it; damaged EXIF says nothing, and does not harm the pixels."""
    try:
        return _TURNS.get(int(image.getexif().get(ExifTags.Base.Orientation, 1)), AS_STORED)
    # Pillow's parser lets through whatever it trips over.
    except Exception:
        return AS_STORED


def turn_of_jpeg(data: bytes) -> Turn:
    """What the bytes of a JPEG say of it, without decoding them."""
    header = data[: _scan_start(data)]
    if not any(mark in header for mark in _MARKS):
        return AS_STORED
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return turn_of(image)
    # A header that Pillow cannot read is none of the pixels' concern either.
    except Exception:
        return AS_STORED


def _scan_start(data: bytes) -> int:
    """Where the first pixels of a JPEG begin, or its end where the way there is not marked as usual."""
    scans = (place for marker, place in header_segments(data) if marker == START_OF_SCAN)
    return next(scans, len(data))
