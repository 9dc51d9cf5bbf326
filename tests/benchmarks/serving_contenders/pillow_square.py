"""What torchvision's Resize and CenterCrop make of a photo, which few servers would be without."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pillow_square(photo: bytes, resized: int, cropped: int) -> NDArray[np.uint8]:
    """The shorter side scaled to `resized`, the centre cut out: uint8 [cropped, cropped, 3]."""
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    scale = resized / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - cropped) // 2, (image.height - cropped) // 2
    return np.array(image.crop((left, top, left + cropped, top + cropped)))
