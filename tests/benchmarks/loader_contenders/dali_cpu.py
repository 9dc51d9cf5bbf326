"""NVIDIA DALI on the CPU: decodes only what is cropped, then flips; two batches ahead, as it is by itself.

Augmented, it normalizes by the channels' means, which is a little less than subtracting the mean image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from colours import channel_mean, colour_axes
from nvidia.dali import fn, pipeline_def, types
from turns import BATCH_SIZE, CROP_SIZE, WORKERS, Epoch, take_turns

_AHEAD = 2


@pipeline_def(batch_size=BATCH_SIZE, num_threads=WORKERS, device_id=None, prefetch_queue_depth=_AHEAD)
def views(work: Path, augmented: bool):
    jpegs, labels = fn.readers.file(
        file_root=str(work / "jpegs"), random_shuffle=True, initial_fill=2048, name="photos"
    )
    images = fn.decoders.image_crop(
        jpegs,
        crop=(CROP_SIZE, CROP_SIZE),
        crop_pos_x=fn.random.uniform(range=(0.0, 1.0)),
        crop_pos_y=fn.random.uniform(range=(0.0, 1.0)),
        use_fast_idct=True,
    )
    mirror = fn.random.coin_flip()
    if not augmented:
        return fn.flip(images, horizontal=mirror), labels
    mean = channel_mean(work).tolist()
    images = fn.crop_mirror_normalize(
        images, mirror=mirror, mean=mean, dtype=types.FLOAT, output_layout="CHW"
    )
    axes = colour_axes(work).numpy().reshape(3, 3, 1, 1)
    return images + sum(fn.random.normal() * types.Constant(axis) for axis in axes), labels


class Epochs:
    def __init__(self, what: str, work: Path) -> None:
        self._pipeline = views(work, what == "augmented")
        self._pipeline.build()
        self._batches = self._pipeline.epoch_size("photos") // BATCH_SIZE
        self._ready = 0

    def __call__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # What was made while others had their turns is no work of this one.
        for _ in range(self._ready):
            self._pipeline.run()
        self._ready = _AHEAD
        for _ in range(self._batches):
            images, labels = self._pipeline.run()
            yield np.asarray(images.as_tensor()), np.asarray(labels.as_tensor())


def open_photos(what: str, work: Path) -> Epoch:
    return Epochs(what, work)


if __name__ == "__main__":
    take_turns(open_photos)
