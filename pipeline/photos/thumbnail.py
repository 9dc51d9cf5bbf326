"""A small JPEG of a photo, to be looked at."""

from __future__ import annotations

from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

SIDE: Final = 96
_QUALITY: Final = 85


def thumbnail(photo_SS3: NDArray[np.uint8]) -> bytes:
    """Of uint8 [S, S, 3] RGB; one smaller than a thumbnail keeps its size."""
    side = min(SIDE, len(photo_SS3))
    small = Image.fromarray(photo_SS3).resize((side, side), Image.Resampling.BILINEAR)
    jpeg: bytes = simplejpeg.encode_jpeg(np.asarray(small), quality=_QUALITY, colorspace="RGB")
    return jpeg
