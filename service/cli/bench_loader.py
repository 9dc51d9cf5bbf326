"""`tandem bench-loader`: how fast this machine reads a dataset, as training would."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Generator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from pipeline.batches.augment import Augmentation
from pipeline.batches.loader import ShardLoader
from pipeline.batches.view_cutter import ViewCutter
from pipeline.config import LoadingConfig, Shuffle, Verify
from pipeline.shards.statistics import Statistics
from service.cli.errors import BadArgumentsError
from service.cli.output import print_json, remarks, results

_DEFAULTS = LoadingConfig()
_MEBIBYTE = 2**20


def bench_loader(
    dataset_dir: Annotated[Path, typer.Argument(metavar="DIR", help="The dataset's folder.")],
    batch_size: Annotated[int, typer.Option(min=1, help="Photos in a batch.")] = 256,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that decode; by default all CPUs.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each rate is measured.")] = 10,
    crop_size: Annotated[
        int | None, typer.Option(min=1, help="Side of the augmented views; by default 7/8 of the photos'.")
    ] = None,
    shuffle: Annotated[
        Shuffle,
        typer.Option(help="Whether all photos are shuffled at once, or blocks of neighbours at a time."),
    ] = _DEFAULTS.shuffle,
    window: Annotated[
        int, typer.Option(min=1, help="With --shuffle blocks: MiB shuffled at a time.")
    ] = _DEFAULTS.window_bytes // _MEBIBYTE,
    os_cache: Annotated[
        bool, typer.Option(help="Map the shards, or read recent pages from disk into this process.")
    ] = _DEFAULTS.os_cache,
    cache: Annotated[
        int, typer.Option(min=8, help="With --no-os-cache: MiB of pages to hold, at most.")
    ] = _DEFAULTS.cache_bytes // _MEBIBYTE,
    verify: Annotated[
        Verify, typer.Option(help="Check each JPEG, or raw photos' shards as well when first touched.")
    ] = _DEFAULTS.verify,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast a dataset is read.

    Reads the training split over and over: batches as they come from the loader, then augmented ones on the
    CPU (crop, flip, mean image, colour noise). The first batch is timed with what precedes it, in this
    process.
    """
    config = LoadingConfig(
        shuffle=shuffle,
        block_bytes=min(_DEFAULTS.block_bytes, window * _MEBIBYTE),
        window_bytes=window * _MEBIBYTE,
        os_cache=os_cache,
        cache_bytes=cache * _MEBIBYTE,
        verify=verify,
    )
    threads = threads or len(os.sched_getaffinity(0))
    try:
        began = time.perf_counter()
        loader = ShardLoader(dataset_dir, "train", batch_size=batch_size, num_threads=threads, config=config)
        with closing(_stored(loader)) as batches:
            next(batches)
        first_seconds = time.perf_counter() - began
        augmentation = _augmentation(dataset_dir, crop_size)
    except ValueError as error:
        raise BadArgumentsError(str(error)) from error
    remarks.print(f"first batch after {first_seconds:.2f} s; each rate takes {seconds:g} s")
    rows = [
        {"name": "first batch", "seconds": first_seconds},
        {"name": "batches", "images_per_second": _rate(_stored(loader), seconds)},
        {"name": "augmented batches", "images_per_second": _rate(_augmented(loader, augmentation), seconds)},
    ]
    if as_json:
        print_json({"benchmark": "loader", "machine": _machine(threads), "rows": rows})
        return
    for row in rows[1:]:
        results.print(f"{row['name']:<18} {row['images_per_second']:>9,.0f} images/s")


def _augmentation(dataset_dir: Path, crop_size: int | None) -> Augmentation:
    statistics = Statistics.load(dataset_dir)
    size = crop_size or statistics.mean_image.shape[0] * 7 // 8
    cutter = ViewCutter(torch.from_numpy(statistics.mean_image), size, memory_format=torch.channels_last)
    return Augmentation(statistics, cutter, seed=0)


def _stored(loader: ShardLoader) -> Generator[torch.Tensor]:
    while True:
        for batch in loader:
            yield batch.images


def _augmented(loader: ShardLoader, augmentation: Augmentation) -> Generator[torch.Tensor]:
    for epoch in count():
        loader.set_epoch(epoch)
        for batch in loader:
            yield augmentation.training_views(batch.images, batch.sample_ids, epoch)


def _rate(batches: Generator[torch.Tensor], seconds: float) -> float:
    """Samples per second, of endless batches."""
    num_samples = 0
    with closing(batches):
        # What starts threads and fills queues is not part of the rate.
        next(batches)
        began = time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            num_samples += len(next(batches))
    return num_samples / taken


def _machine(threads: int) -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "threads": threads,
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
