"""FFCV as it comes, on one .beton of all photos, as its performance guide says for data that fits in memory.

Augmented, FFCV crops (its random resized crop, at the one scale that resizes nothing), flips and normalizes
by the channels' means: it does not tell where it cropped, so it does a little less than subtracting the mean
image. Colours are added in plain torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ffcv.fields.decoders import CenterCropRGBImageDecoder, IntDecoder, RandomResizedCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import RandomHorizontalFlip, ToTensor
from turns import BATCH_SIZE, CROP_SIZE, IMAGE_SIZE, WORKERS, Epoch, take_turns


def open_photos(what: str, work: Path) -> Epoch:
    if what == "augmented":
        return _augmented(work)
    crop = CenterCropRGBImageDecoder((CROP_SIZE, CROP_SIZE), ratio=CROP_SIZE / IMAGE_SIZE)
    loader = _loader(work / f"{what}.beton", [crop, RandomHorizontalFlip(), ToTensor()])
    return lambda: loader


def _augmented(work: Path) -> Epoch:
    import torch
    from colours import channel_mean, colour_axes
    from ffcv.transforms import NormalizeImage, ToTorchImage

    share = (CROP_SIZE / IMAGE_SIZE) ** 2
    crop = RandomResizedCropRGBImageDecoder((CROP_SIZE, CROP_SIZE), scale=(share, share), ratio=(1, 1))
    normalize = NormalizeImage(channel_mean(work), np.ones(3), np.float32)
    loader = _loader(
        work / "jpg.beton", [crop, RandomHorizontalFlip(), normalize, ToTensor(), ToTorchImage()]
    )
    axes = colour_axes(work)
    torch.set_num_threads(WORKERS)

    def epoch():
        for images, labels in loader:
            colours = torch.randn(len(images), 3) @ axes
            yield images.add_(colours[:, :, None, None]), labels

    return epoch


def _loader(beton: Path, image: list) -> Loader:
    return Loader(
        str(beton),
        batch_size=BATCH_SIZE,
        num_workers=WORKERS,
        os_cache=True,
        order=OrderOption.RANDOM,
        drop_last=True,
        pipelines={"image": image, "label": [IntDecoder(), ToTensor()], "sample_id": None},
    )


if __name__ == "__main__":
    take_turns(open_photos)
