"""The photos that all contenders of `bench_loader.py` read, in the forms in which they read them."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from ffcv.reader import Reader
from one_beton import write_one_beton

from pipeline.batches.reader import SplitReader

SAMPLES = 8192  # whole batches for every contender, whether or not it would drop an incomplete one


def prepare_photos(photos: Path, work: Path) -> None:
    """Fills a folder with what contenders read, each of `SAMPLES` samples.

    jpg and raw are datasets of Tandem's; jpg.beton and raw.beton the same samples in one file each; jpegs
    holds the JPEGs of jpg.beton, in a folder for every label; labels.npy all labels, int64.
    """
    source = linked(photos, work / "photos")
    for write_mode in ("jpg", "raw"):
        dataset = work / write_mode
        prepare(source, dataset, write_mode)
        reader = SplitReader(dataset, "train")
        if reader.num_samples != SAMPLES:
            raise SystemExit(f"bench_loader: {dataset}/quarantine.jsonl tells why some photos cannot be used")
        write_one_beton(reader.paths, work / f"{write_mode}.beton")
        np.save(work / "labels.npy", reader.labels)
    write_jpegs(work / "jpg.beton", work / "jpegs")
    # Nothing is still being written while somebody is timed.
    os.sync()


def linked(photos: Path, target: Path) -> Path:
    """Again and again the same photos, until there are enough: each copied once, then linked."""
    sources = sorted(photos.glob("*/*"))
    if not sources:
        raise SystemExit(f"bench_loader: {photos} has no class folders with photos in them")
    copies: list[Path] = []
    for number, photo in enumerate(itertools.islice(itertools.cycle(sources), SAMPLES)):
        path = target / photo.parent.name / f"{number:06d}{photo.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < len(sources):
            copies.append(shutil.copyfile(photo, path))
        else:
            # Not a symbolic link: what leads out of a source is refused.
            path.hardlink_to(copies[number % len(sources)])
    return target


def prepare(source: Path, dataset: Path, write_mode: str) -> None:
    # In a process of its own: what it starts is gone before anything is timed.
    tandem = Path(sys.executable).with_name("tandem")
    command = [tandem, "prepare", source, "--out", dataset, "--write-mode", write_mode, "--json"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def write_jpegs(beton: Path, folder: Path) -> None:
    reader = Reader(os.fspath(beton))
    stored = np.memmap(beton, np.uint8, "r")
    for number, (row, place) in enumerate(zip(reader.metadata, reader.alloc_table, strict=True)):
        path = folder / f"{row['f1']:04d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        begin = int(place["ptr"])
        path.write_bytes(stored[begin : begin + int(place["size"])].tobytes())
