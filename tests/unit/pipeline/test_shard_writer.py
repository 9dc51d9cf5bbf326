"""One shard, written in this process."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from ffcv.fields import IntField, RGBImageField
from ffcv.reader import Reader
from ffcv.writer import DatasetWriter

from pipeline.config import PrepareConfig
from pipeline.errors import ShardStoppedError
from pipeline.photos.decode import square_photo
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.folder import FolderSource
from pipeline.shards.image_field import Square, square_field
from pipeline.shards.mark import Mark, read_mark
from pipeline.shards.pixel_sums import PixelSums
from pipeline.shards.record import ShardRecord
from pipeline.shards.shard_files import RECORDS_FOLDER, ShardFiles
from pipeline.shards.task import ListedPhoto, ShardTask
from pipeline.shards.writer import write_shard


def task(folder, source, **config):
    (folder / RECORDS_FOLDER).mkdir(parents=True)
    listed = source.listings()["all"]
    order = np.random.default_rng(1).permutation(len(listed)).tolist()
    raw = config.get("write_mode") == "raw"
    photos = [ListedPhoto(listed[place], place % 3, place, raw) for place in order]
    files = ShardFiles(folder, "train-00000.beton")
    options = PrepareConfig(image_size=32, **config)
    return ShardTask(files, "train", source, photos, options, attempt=2)


def squares(planned):
    return [square_photo(planned.source.read(listed.photo), 32) for listed in planned.photos]


@pytest.fixture(scope="module")
def source(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    photos.write(folder, 9)
    return FolderSource(LocalFiles(folder))


# FFCV forks its worker.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("write_mode", ["raw", "jpg"])
def test_bytes_are_those_of_ffcv_with_one_worker(source, tmp_path, write_mode):
    planned = task(tmp_path / "own", source, write_mode=write_mode)
    raw = write_mode == "raw"
    samples = [
        (pixels if raw else Square(pixels, raw=False), listed.label, listed.sample_id)
        for pixels, listed in zip(squares(planned), planned.photos, strict=True)
    ]
    # Its own field for raw pixels; its own JPEGs would have no checksums.
    ours = square_field(jpeg_quality=90, chroma_subsampling="4:2:0")
    image = RGBImageField(write_mode="raw") if raw else ours
    fields = {"image": image, "label": IntField(), "sample_id": IntField()}
    stock = tmp_path / "stock.beton"
    DatasetWriter(str(stock), fields, num_workers=1).from_indexed_dataset(samples)
    write_shard(planned)
    assert planned.files.shard.read_bytes() == stock.read_bytes()


def test_sums_are_those_of_the_photos_written(source, tmp_path):
    planned = task(tmp_path, source)
    record = write_shard(planned)
    sums = PixelSums.load(planned.files.sums)
    pixels = np.stack(squares(planned)).astype(np.int64)
    assert sums.count == len(pixels) == record.shard.num_samples
    np.testing.assert_array_equal(
        sums.statistics().mean_image, (pixels.sum(axis=0) / len(pixels)).astype(np.float32)
    )


def test_record_says_what_was_written_and_comes_back_from_its_file(source, tmp_path):
    planned = task(tmp_path, source)
    record = write_shard(planned)
    assert ShardRecord.load(planned.files.record) == record
    assert (record.file, record.split, record.num_photos) == ("train-00000.beton", "train", 27)
    assert record.shard.size_bytes == planned.files.shard.stat().st_size
    assert read_mark(planned.files.mark, attempt=2) == Mark(2, 27, 0)
    assert read_mark(planned.files.mark, attempt=1) is None


def test_unusable_photos_are_left_out_and_recorded(photos, tmp_path):
    folder = tmp_path / "source"
    photos.write(folder, 3)
    (folder / "dog" / "001.jpg").write_bytes(b"words")
    (folder / "owl" / "000.jpg").rename(folder / "owl" / os.fsdecode(b"\xff\n.jpg"))
    (folder / "owl" / os.fsdecode(b"\xff\n.jpg")).write_bytes(b"")
    planned = task(tmp_path / "staging", FolderSource(LocalFiles(folder)))
    record = write_shard(planned)
    reported = {(bad.path, bad.label, bad.reason) for bad in record.quarantined}
    odd_name = "owl/" + os.fsdecode(b"\xff\n.jpg")
    place = next(listed.sample_id for listed in planned.photos if listed.photo.path == odd_name)
    assert reported == {("dog/001.jpg", 1, "not_an_image"), (odd_name, place % 3, "empty")}
    assert ShardRecord.load(planned.files.record) == record
    kept = [listed for listed in planned.photos if listed.sample_id not in (4, place)]
    metadata = Reader(str(planned.files.shard)).metadata
    assert metadata["f2"].tolist() == [listed.sample_id for listed in kept]
    assert metadata["f1"].tolist() == [listed.label for listed in kept]
    assert read_mark(planned.files.mark, attempt=2) == Mark(2, 9, 2)


def test_each_photo_is_stored_as_planned(source, tmp_path):
    planned = task(tmp_path, source, write_mode="proportion")
    mixed = [listed._replace(raw=listed.sample_id % 4 == 0) for listed in planned.photos]
    planned = ShardTask(planned.files, "train", source, mixed, planned.config)
    write_shard(planned)
    modes = Reader(str(planned.files.shard)).metadata["f0"]["mode"]
    assert modes.tolist() == [1 if listed.raw else 0 for listed in mixed]


def test_shard_without_a_usable_photo_is_recorded_and_not_written(tmp_path):
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "1.jpg").write_bytes(b"words")
    planned = task(tmp_path / "staging", FolderSource(LocalFiles(tmp_path / "source")))
    record = write_shard(planned)
    assert record.shard is None
    assert [bad.path for bad in record.quarantined] == ["a/1.jpg"]
    assert not list((tmp_path / "staging").glob("*.beton"))
    assert ShardRecord.load(planned.files.record) == record


WRITE_LIMITED = """
import json, pickle, resource, signal, sys
from pipeline.shards.writer import write_shard
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write_shard(pickle.load(open(sys.argv[1], "rb")))
except OSError as error:
    print(json.dumps(error.errno))
"""


@pytest.mark.parametrize("limit_bytes", [100, 5_000, 2**20, 2**21 + 2**20])
def test_disk_that_fills_up_is_an_error_and_leaves_neither_shard_nor_record(source, tmp_path, limit_bytes):
    """A limit on the size of files stands in for the disk: writes end short in the same way."""
    import pickle

    planned = task(tmp_path / "staging", source, write_mode="raw")
    (tmp_path / "task").write_bytes(pickle.dumps(planned))
    script = [sys.executable, "-c", WRITE_LIMITED, str(tmp_path / "task"), str(limit_bytes)]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) in (errno.EFBIG, errno.ENOSPC)
    assert {path.name for path in (tmp_path / "staging").rglob("*")} == {"records", "train-00000.beton.mark"}


class StoppedWhileRead:
    """A source whose photos are read until somebody stops the preparation at the third."""

    def __init__(self, source, files):
        self._source, self._files, self.reads = source, files, 0

    reads_at_once = 1

    def read(self, photo):
        self.reads += 1
        if self.reads == 3:
            self._files.stop.touch()
        return self._source.read(photo)


def test_shard_that_is_stopped_is_left_at_once_and_leaves_nothing(source, tmp_path):
    planned = task(tmp_path / "out", source)
    watched = StoppedWhileRead(source, planned.files)
    with pytest.raises(ShardStoppedError, match=r"train-00000\.beton was left unfinished"):
        write_shard(replace(planned, source=watched))
    assert watched.reads == 3
    assert read_mark(planned.files.mark, 2) == Mark(2, 2, 0)
    planned.files.stop.unlink()
    planned.files.mark.unlink()
    assert [path.name for path in (tmp_path / "out").rglob("*")] == [RECORDS_FOLDER]


def test_folder_that_is_gone_is_an_error(source, tmp_path):
    planned = task(tmp_path / "staging", source)
    planned = ShardTask(ShardFiles(tmp_path / "absent", "x"), "train", source, planned.photos, planned.config)
    with pytest.raises(FileNotFoundError):
        write_shard(planned)
