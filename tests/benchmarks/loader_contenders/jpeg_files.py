"""The JPEGs that peers read, and what becomes of one of them in a worker of theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import simplejpeg
import torch
from turns import CROP_SIZE, IMAGE_SIZE


def jpeg_files(work: Path) -> list[tuple[Path, int]]:
    """All JPEGs with their labels; each lies in a folder named by its label."""
    return [(path, int(path.parent.name)) for path in sorted((work / "jpegs").glob("*/*.jpg"))]


def random_view(pixels: np.ndarray) -> torch.Tensor:
    """A random crop, flipped or not: uint8 [S, S, 3] to [C, C, 3]."""
    top, left = np.random.randint(0, IMAGE_SIZE - CROP_SIZE + 1, 2)
    view = torch.from_numpy(pixels[top : top + CROP_SIZE, left : left + CROP_SIZE])
    return view.flip(1) if np.random.random() < 0.5 else view


def decoded_view(jpeg: bytes) -> torch.Tensor:
    """A random view of a JPEG. Decodes with simplejpeg, which takes less time than Pillow."""
    return random_view(simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=True))
