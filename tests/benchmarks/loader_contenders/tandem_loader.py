"""Tandem: its own shards, whole photos of 256×256; what it augments it augments as training on a CPU does."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from turns import BATCH_SIZE, CROP_SIZE, WORKERS, Epoch, take_turns

from pipeline.batches.loader import ShardLoader


def open_photos(what: str, work: Path) -> Epoch:
    if what == "augmented":
        return _augmented(work / "jpg")
    loader = ShardLoader(work / what, "train", batch_size=BATCH_SIZE, num_threads=WORKERS)
    return lambda: ((batch.images, batch.labels) for batch in loader)


def _augmented(dataset: Path) -> Epoch:
    import torch

    from pipeline.batches.augment import Augmentation
    from pipeline.batches.view_cutter import ViewCutter
    from pipeline.shards.statistics import Statistics

    torch.set_num_threads(WORKERS)
    loader = ShardLoader(dataset, "train", batch_size=BATCH_SIZE, num_threads=WORKERS)
    statistics = Statistics.load(dataset)
    cutter = ViewCutter(torch.from_numpy(statistics.mean_image), CROP_SIZE)
    augmentation = Augmentation(statistics, cutter, seed=0)
    epochs = count()

    def epoch():
        number = next(epochs)
        for batch in loader:
            yield augmentation.training_views(batch.images, batch.sample_ids, number), batch.labels

    return epoch


if __name__ == "__main__":
    take_turns(open_photos)
