"""One shard, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import UnusablePhotoError
from pipeline.ffcv_import import ffcv_import
from pipeline.photos.decode import square_photo
from pipeline.shards.checksum import file_checksum
from pipeline.shards.manifest import Shard
from pipeline.shards.statistics import PixelSums
from pipeline.shards.tally import Tally
from pipeline.shards.task import QuarantinedPhoto, ShardResult, ShardTask

with ffcv_import():
    from ffcv.fields import IntField, RGBImageField
    from ffcv.memory_allocator import MemoryAllocator
    from ffcv.writer import DatasetWriter, handle_sample

Sample = tuple[NDArray[np.uint8], int, int]


class StreamWriter(DatasetWriter):  # type: ignore[misc]
    """FFCV's DatasetWriter, taking its samples from an iterator in this process.

    FFCV's own way needs to know all samples before it starts, and waits for ever when its worker process
    raises. Here a photo is decoded once, one that fails is simply not yielded, and an error is an error. The
    bytes are those FFCV writes with one worker.
    """

    def from_stream(self, samples: Iterable[Sample], capacity: int) -> int:
        """Writes the samples, `capacity` at most, and gives their number."""
        self.num_samples = capacity
        self.prepare()
        try:
            allocator = MemoryAllocator(self.fname, self.data_region_start, self.page_size)
            metadata = np.zeros(capacity, self.metadata_type)
            count = 0
            with allocator:
                for sample in samples:
                    handle_sample(sample, count, metadata.dtype.names, metadata, allocator, self.fields)
                    count += 1
            self.metadata_sm.buf[:] = metadata.tobytes()
            self.header["num_samples"] = count
            self.finalize([allocator.allocations])
        finally:
            self.metadata_sm.close()
            self.metadata_sm.unlink()
        return count


def write_shard(task: ShardTask, tally: Tally) -> ShardResult:
    """Decodes a shard's photos, writes the usable ones and reports the others.

    The file appears under its name when it is complete and on disk. Raises `StoppedError` when the
    preparation was called off, and OSError when the target cannot be written.
    """
    torch.set_num_threads(1)  # one process per core; each photo is too small to share
    # FFCV's `proportion` draws from NumPy's global generator.
    np.random.seed([task.config.seed % 2**32, task.config.seed >> 32, task.number])
    quarantined: list[QuarantinedPhoto] = []
    sums = PixelSums(task.config.image_size) if task.with_statistics else None
    partial = task.path.with_name(f".{task.path.name}.partial")
    fields = {
        "image": RGBImageField(write_mode=task.config.write_mode, jpeg_quality=task.config.jpeg_quality),
        "label": IntField(),
        "sample_id": IntField(),
    }
    try:
        writer = StreamWriter(os.fspath(partial), fields, num_workers=1)
        count = writer.from_stream(_samples(task, tally, sums, quarantined), len(task.photos))
        shard = None
        if count:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            shard = Shard(
                file=task.path.name,
                num_samples=count,
                size_bytes=partial.stat().st_size,
                xxh3_128=file_checksum(partial),
            )
            partial.rename(task.path)
    finally:
        partial.unlink(missing_ok=True)
    return ShardResult(task.split, shard, quarantined, sums)


def _samples(
    task: ShardTask, tally: Tally, sums: PixelSums | None, quarantined: list[QuarantinedPhoto]
) -> Iterator[Sample]:
    for photo in task.photos:
        try:
            pixels = square_photo(task.source.read(photo.path), task.config.image_size)
        except UnusablePhotoError as error:
            quarantined.append(QuarantinedPhoto(photo.path, task.split, photo.label, *error.args))
            tally.count(task.number, usable=False)
            continue
        if sums is not None:
            sums.add(pixels)
        tally.count(task.number, usable=True)
        yield pixels, photo.label, photo.sample_id
