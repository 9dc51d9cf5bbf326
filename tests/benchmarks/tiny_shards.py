"""1.28 million samples of 8×8 pixels in 313 shards, quickly made: what opening a large split costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from ffcv.fields import IntField
from ffcv.reader import Reader

from pipeline.shards.image_field import Square, square_field
from pipeline.shards.index_checksum import index_checksum
from pipeline.shards.manifest import MANIFEST_FILE, Manifest, Shard, SplitRecord
from pipeline.shards.writer import Sample, StreamWriter

SHARDS: Final = 313
TINY_SAMPLES: Final = 1_280_000

_IMAGE_SIZE: Final = 8
_LABELS: Final = 1000


def write_tiny_shards(dataset: Path, like: Path) -> list[Path]:
    """Makes a dataset of them, its manifest otherwise that of the dataset `like`; gives the shards' paths."""
    dataset.mkdir()
    size = -(-TINY_SAMPLES // SHARDS)
    first = dataset / "first"
    _write_with_the_product(first, size)
    shards = [
        _written_like(first, dataset, number, min(size, TINY_SAMPLES - number * size))
        for number in range(SHARDS)
    ]
    first.unlink()
    manifest = Manifest.load(like).model_copy(
        update={
            "image_size": _IMAGE_SIZE,
            "write_mode": "raw",
            "splits": {"train": SplitRecord(num_samples=TINY_SAMPLES, shards=tuple(shards))},
        }
    )
    (dataset / MANIFEST_FILE).write_text(manifest.model_dump_json())
    return [dataset / shard.file for shard in shards]


def _write_with_the_product(path: Path, count: int) -> None:
    fields = {
        "image": square_field(jpeg_quality=90, chroma_subsampling="4:2:0"),
        "label": IntField(),
        "sample_id": IntField(),
    }
    StreamWriter(os.fspath(path), fields, num_workers=1).from_stream(_samples(count), count)


def _samples(count: int) -> Iterator[Sample]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, _IMAGE_SIZE, _IMAGE_SIZE, 3), np.uint8)
    for number in range(count):
        yield Square(pixels[number], raw=True), 0, number


def _written_like(first: Path, dataset: Path, number: int, count: int) -> Shard:
    """Writes one of the shards: the first `count` photos of the first, under labels and ids of their own."""
    reader = Reader(os.fspath(first))
    header, metadata, table = reader.header.copy(), reader.metadata[:count].copy(), reader.alloc_table[:count]
    metadata["f2"] += number * len(reader.metadata)
    metadata["f1"] = metadata["f2"] % _LABELS
    header["num_samples"] = count
    path = dataset / f"train-{number:05d}.beton"
    pixels_at, table_at = int(table["ptr"][0]), int(header["alloc_table_ptr"])
    with path.open("wb") as file:
        for part in (header, reader.field_descriptors, metadata):
            file.write(part.tobytes())
        # Only what is not empty takes room on the disk.
        file.seek(pixels_at)
        file.write(first.read_bytes()[pixels_at : pixels_at + int(table["size"].sum())])
        file.seek(table_at)
        file.write(table.tobytes())
    return Shard(
        file=path.name,
        num_samples=count,
        size_bytes=path.stat().st_size,
        xxh3_128="0" * 32,  # of the whole file: opening does not read it
        index_xxh3_128=index_checksum(Reader(os.fspath(path))),
    )
