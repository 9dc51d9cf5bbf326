"""One contender of `bench_prepare.py`: `prepare_contenders.py NAME SOURCE WORKERS OUT` prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

WARM_PHOTOS = 200
LOOK_EVERY_TICKS = 4


def usual(source: Path, workers: int, out: Path) -> dict[str, float]:
    """The usual way: Pillow opens, FFCV's writer resizes and encodes."""
    import cv2
    from ffcv.fields import IntField, RGBImageField
    from ffcv.writer import DatasetWriter

    photos = ImageFolder(source)
    cv2.setNumThreads(1)  # as many threads as workers, as everywhere here
    began = time.monotonic()
    image = RGBImageField(write_mode="jpg", max_resolution=256, jpeg_quality=90)
    writer = DatasetWriter(f"{out}-usual.beton", {"image": image, "label": IntField()}, num_workers=workers)
    writer.from_indexed_dataset(photos, shuffle_indices=True)
    return {"images_per_second": len(photos) / (time.monotonic() - began)}


class ImageFolder:
    """Class folders as torch's users read them."""

    def __init__(self, root: Path) -> None:
        classes = sorted(path.name for path in root.iterdir())
        self.samples = [
            (photo, label) for label, name in enumerate(classes) for photo in sorted((root / name).iterdir())
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: int):
        from PIL import Image

        path, label = self.samples[place]
        with path.open("rb") as file:
            return Image.open(file).convert("RGB"), label


def tandem(source: Path, workers: int, out: Path) -> dict[str, float]:
    """`prepare`, from its first photo to its last; what starts before that is told apart."""
    import psutil

    from pipeline.config import PrepareConfig, SourceConfig
    from pipeline.shards.prepare import prepare

    config = PrepareConfig(workers=workers)
    began = time.monotonic()
    ticks, memory = [], []
    for step in prepare(SourceConfig(path=str(source)), Path(f"{out}-{workers}"), config, name="bench"):
        ticks.append((time.monotonic(), step.photos_done))
        # Looking for the writers takes a core some time, which is theirs.
        if len(ticks) % LOOK_EVERY_TICKS == 0 and step.photos_done > WARM_PHOTOS:
            writers = [child for child in psutil.Process().children(recursive=True) if is_writer(child)]
            memory.append(max((resident_bytes(writer) for writer in writers), default=0))
    started, first = next((moment, done) for moment, done in ticks if done)
    ended, last = next((moment, done) for moment, done in ticks if done == ticks[-1][1])
    busy = [held for held in memory if held]
    return {
        "images_per_second": (last - first) / (ended - started),
        "seconds_before_the_first": started - began,
        "worker_peak_bytes": max(memory),
        "worker_growth_bytes": max(busy[len(busy) // 2 :]) - max(busy[: len(busy) // 2]),
    }


def is_writer(process) -> bool:
    import psutil

    try:
        return "ray::_write" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def resident_bytes(process) -> int:
    import psutil

    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def bare(source: Path, workers: int, out: Path) -> dict[str, float]:
    """Decoding, resizing and encoding alone, then writing the same photos as a shard of default size."""
    import simplejpeg
    import torch

    from pipeline.config import PrepareConfig
    from pipeline.photos.decode import square_photo
    from pipeline.photos.local_files import LocalFiles
    from pipeline.photos.sources.folder import FolderSource
    from pipeline.shards.shard_files import RECORDS_FOLDER, ShardFiles
    from pipeline.shards.task import ListedPhoto, ShardTask
    from pipeline.shards.writer import write_shard

    torch.set_num_threads(1)
    files = FolderSource(LocalFiles(source))
    listed = files.listings()["all"][: PrepareConfig().shard_size]
    photos = [files.read(photo) for photo in listed]
    folder = Path(f"{out}-shard")
    (folder / RECORDS_FOLDER).mkdir(parents=True)
    planned = [ListedPhoto(photo, 0, place, False) for place, photo in enumerate(listed)]
    task = ShardTask(ShardFiles(folder, "train-00000.beton"), "train", files, planned, PrepareConfig())
    write_shard(replace(task, photos=planned[:WARM_PHOTOS]))
    began = time.monotonic()
    for photo in photos:
        simplejpeg.encode_jpeg(square_photo(photo, 256), 90, "RGB", "420")
    between = time.monotonic()
    write_shard(task)
    ended = time.monotonic()
    return {
        "bare_images_per_second": len(photos) / (between - began),
        "whole_images_per_second": len(photos) / (ended - between),
    }


def driver(source: Path, workers: int, out: Path) -> dict[str, float]:
    """A driver that has listed and planned, and handed its first task out."""
    from pipeline.config import PrepareConfig, SourceConfig
    from pipeline.photos.sources.detect import open_source
    from pipeline.shards.plan import Plan
    from pipeline.shards.prepare import Preparation
    from pipeline.shards.splits import choose_splits
    from pipeline.shards.staging import StagingFolder

    splits = choose_splits(open_source(SourceConfig(path=str(source))), None, None, seed=0)
    plan = Plan.of(splits, PrepareConfig(), name=source.name, class_names={})
    with StagingFolder(out) as staging:
        staging.adopt(plan.document(), force=False, storage=None)
        preparation = Preparation(plan, staging)
        task = next(preparation.tasks())
        assert task.photos
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


if __name__ == "__main__":
    name, source, workers, out = sys.argv[1:]
    contender = {"usual": usual, "tandem": tandem, "bare": bare, "driver": driver}[name]
    print(json.dumps(contender(Path(source), int(workers), Path(out))))
