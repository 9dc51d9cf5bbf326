"""torch's DataLoader over JPEG files that Pillow decodes, all in its workers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from colours import colour_axes, mean_image
from jpeg_files import jpeg_files, random_view
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from turns import BATCH_SIZE, CROP_SIZE, IMAGE_SIZE, WORKERS, Epoch, take_turns


class JpegFiles(Dataset):
    """Views uint8 [C, C, 3] of JPEG files, or what `view_of` makes of whole photos, and labels."""

    def __init__(self, work: Path, view_of=random_view) -> None:
        self._files = jpeg_files(work)
        self._view_of = view_of

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        path, label = self._files[place]
        with Image.open(path) as image:
            return self._view_of(np.array(image.convert("RGB"))), label


def augmented_view(pixels: np.ndarray, mean: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    """uint8 [S, S, 3] to float32 [3, C, C]."""
    top, left = torch.randint(0, IMAGE_SIZE - CROP_SIZE + 1, (2,)).tolist()
    rows, columns = slice(top, top + CROP_SIZE), slice(left, left + CROP_SIZE)
    view = torch.from_numpy(pixels[rows, columns]).permute(2, 0, 1) - mean[:, rows, columns]
    view += (torch.randn(3) @ axes)[:, None, None]
    return view.flip(2) if torch.rand(()) < 0.5 else view


def open_photos(what: str, work: Path) -> Epoch:
    view_of = random_view
    if what == "augmented":
        view_of = partial(augmented_view, mean=mean_image(work), axes=colour_axes(work))
    photos = DataLoader(
        JpegFiles(work, view_of),
        BATCH_SIZE,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        drop_last=True,
    )
    return lambda: photos


if __name__ == "__main__":
    take_turns(open_photos)
