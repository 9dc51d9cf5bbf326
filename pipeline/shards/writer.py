"""One shard, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import UnusablePhotoError
from pipeline.ffcv_import import ffcv_import
from pipeline.photos.decode import square_photo
from pipeline.shards.channel_products import channel_products
from pipeline.shards.checksum import file_checksum
from pipeline.shards.durable import sync
from pipeline.shards.image_field import Square, square_field
from pipeline.shards.index_checksum import index_checksum
from pipeline.shards.manifest import Shard
from pipeline.shards.mark import MarkFile
from pipeline.shards.photo_reads import photo_reads
from pipeline.shards.pixel_sums import PixelSums
from pipeline.shards.record import QuarantinedPhoto, ShardRecord
from pipeline.shards.shard_files import ShardFiles
from pipeline.shards.task import ShardTask, refuse_stopped
from pipeline.shards.trial import kills
from pipeline.storage.node_cache import NodeCache
from pipeline.storage.opened import open_store

with ffcv_import():
    from ffcv.fields import IntField
    from ffcv.memory_allocator import MemoryAllocator
    from ffcv.reader import Reader
    from ffcv.writer import DatasetWriter, handle_sample

Sample = tuple[Square, int, int]


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
            self._refuse_missing_pages(allocator)
            self.metadata_sm.buf[:] = metadata.tobytes()
            self.header["num_samples"] = count
            self.finalize([allocator.allocations])
        finally:
            self.metadata_sm.close()
            self.metadata_sm.unlink()
        return count

    def _refuse_missing_pages(self, allocator: MemoryAllocator) -> None:
        # FFCV writes its pages unbuffered and does not look at how much of one went out: on a full disk the
        # last one may be short without an error.
        pages = allocator.next_page_allocated.value
        if pages and Path(self.fname).stat().st_size != allocator.offset + pages * self.page_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.fname)


def write_shard(task: ShardTask) -> ShardRecord:
    """Decodes a shard's photos, writes the usable ones and records the others.

    The file appears under its name when it is complete and on disk, or in object storage, and the record
    after it. Raises OSError when the target cannot be written, `StorageUnavailableError`, `SourceLostError`
    when the source does not answer, and `ShardStoppedError` when it is not wanted any more.
    """
    torch.set_num_threads(1)  # one process per core; each photo is too small to share
    quarantined: list[QuarantinedPhoto] = []
    sums = PixelSums(task.config.image_size)
    files = task.files
    fields = {
        "image": square_field(
            jpeg_quality=task.config.jpeg_quality, chroma_subsampling=task.config.chroma_subsampling
        ),
        "label": IntField(),
        "sample_id": IntField(),
    }
    with _place_to_write(files, task.attempt) as partial:
        with MarkFile(files.mark, task.attempt) as mark:
            writer = StreamWriter(os.fspath(partial), fields, num_workers=1)
            count = writer.from_stream(_samples(task, mark, sums, quarantined), len(task.photos))
        shard = None
        if count:
            shard = Shard(
                file=files.name,
                num_samples=count,
                size_bytes=partial.stat().st_size,
                xxh3_128=file_checksum(partial),
                index_xxh3_128=index_checksum(Reader(os.fspath(partial))),
            )
            if task.with_statistics:
                sums.save(files.sums)
                sync(files.sums)
            _hand_over(partial, files)
    record = ShardRecord(files.name, task.split, len(task.photos), shard, tuple(quarantined))
    sync(files.folder)
    record.save(files.record)
    return record


@contextmanager
def _place_to_write(files: ShardFiles, attempt: int) -> Iterator[Path]:
    """A path beside the shard's own, or on this node's disk if the shard goes to object storage."""
    if files.storage is not None:
        with NodeCache.of_this_node().scratch() as folder:
            yield folder / files.name
        return
    partial = files.partial(attempt)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _hand_over(partial: Path, files: ShardFiles) -> None:
    if files.storage is not None:
        open_store(files.storage).put(partial, files.name)
        return
    sync(partial)
    partial.rename(files.shard)


def _samples(
    task: ShardTask, mark: MarkFile, sums: PixelSums, quarantined: list[QuarantinedPhoto]
) -> Iterator[Sample]:
    config = task.config
    reads = photo_reads(task.source, (listed.photo for listed in task.photos))
    for position, (listed, read) in enumerate(zip(task.photos, reads, strict=True)):
        refuse_stopped(task)
        mark.at(position, len(quarantined))
        try:
            if position in task.suspects and kills(task.source, listed.photo, config):
                raise UnusablePhotoError(
                    "kills_worker", "each process that decoded it died or had no memory left"
                )
            pixels = square_photo(read(), config.image_size, exif=config.exif, max_pixels=config.max_pixels)
        except UnusablePhotoError as error:
            quarantined.append(QuarantinedPhoto(listed.photo.path, task.split, listed.label, *error.args))
            continue
        if task.with_statistics:
            sums.add(pixels, channel_products(pixels))
        yield Square(pixels, listed.raw), listed.label, listed.sample_id
    mark.at(len(task.photos), len(quarantined))
