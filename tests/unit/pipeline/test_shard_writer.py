"""One shard, written in this process."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
from ffcv.fields import IntField, RGBImageField
from ffcv.reader import Reader
from ffcv.writer import DatasetWriter

from pipeline.config import PrepareConfig
from pipeline.photos.decode import square_photo
from pipeline.photos.sources.folder import FolderSource
from pipeline.shards.tally import StoppedError, Tally
from pipeline.shards.task import ListedPhoto, ShardTask
from pipeline.shards.writer import write_shard


def task(folder, source, **config):
    listed = source.listings()["all"]
    order = np.random.default_rng(1).permutation(len(listed))
    photos = [ListedPhoto(listed[place].path, int(place) % 3, int(place)) for place in order]
    options = PrepareConfig(image_size=32, **config)
    return ShardTask(0, "train", folder / "train-00000.beton", source, photos, options, with_statistics=True)


def tally():
    return Tally(multiprocessing.get_context("spawn"), 1)


@pytest.fixture(scope="module")
def source(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    photos.write(folder, 9)
    return FolderSource(folder)


# FFCV forks its worker.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("mode", ["jpg", "raw"])
def test_bytes_are_those_of_ffcv_with_one_worker(source, tmp_path, mode):
    planned = task(tmp_path, source, write_mode=mode, jpeg_quality=85)
    samples = [(square_photo(source.read(p.path), 32), p.label, p.sample_id) for p in planned.photos]
    image = RGBImageField(write_mode=mode, jpeg_quality=85)
    fields = {"image": image, "label": IntField(), "sample_id": IntField()}
    stock = tmp_path / "stock.beton"
    DatasetWriter(str(stock), fields, num_workers=1).from_indexed_dataset(samples)
    write_shard(planned, tally())
    assert planned.path.read_bytes() == stock.read_bytes()


def test_sums_are_those_of_the_photos_written(source, tmp_path):
    planned = task(tmp_path, source)
    result = write_shard(planned, tally())
    pixels = np.stack([square_photo(source.read(photo.path), 32) for photo in planned.photos])
    assert result.sums.count == len(pixels) == result.shard.num_samples
    np.testing.assert_array_equal(result.sums._pixels, pixels.sum(axis=0, dtype=np.int64))


def test_unusable_photos_are_left_out_and_reported(photos, tmp_path):
    folder = tmp_path / "source"
    photos.write(folder, 3)
    (folder / "dog" / "001.jpg").write_bytes(b"words")
    (folder / "owl" / "000.jpg").write_bytes(b"")
    planned, counts = task(tmp_path, FolderSource(folder)), tally()
    result = write_shard(planned, counts)
    reported = {(bad.path, bad.label, bad.reason) for bad in result.quarantined}
    assert reported == {("dog/001.jpg", 1, "not_an_image"), ("owl/000.jpg", 0, "empty")}
    kept = [photo for photo in planned.photos if photo.sample_id not in (4, 6)]
    metadata = Reader(str(planned.path)).metadata
    assert metadata["f2"].tolist() == [photo.sample_id for photo in kept]
    assert metadata["f1"].tolist() == [photo.label for photo in kept]
    assert (counts.done, counts.quarantined) == (9, 2)


def test_proportion_stores_about_half_raw_and_the_same_half_again(source, tmp_path):
    first, again = (task(tmp_path / name, source, write_mode="proportion") for name in ("first", "again"))
    for planned in (first, again):
        planned.path.parent.mkdir()
        write_shard(planned, tally())
    assert first.path.read_bytes() == again.path.read_bytes()
    assert 5 <= Reader(str(first.path)).metadata["f0"]["mode"].sum() <= 22


def test_shard_without_a_usable_photo_is_not_written(tmp_path):
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "1.jpg").write_bytes(b"words")
    result = write_shard(task(tmp_path, FolderSource(tmp_path / "source")), tally())
    assert result.shard is None
    assert [bad.path for bad in result.quarantined] == ["a/1.jpg"]
    assert not list(tmp_path.glob("*.beton"))


def test_error_while_writing_leaves_no_file(source, tmp_path):
    planned = task(tmp_path / "absent", source)
    with pytest.raises(FileNotFoundError):
        write_shard(planned, tally())
    planned, stopped = task(tmp_path, source), tally()
    stopped.stop()
    with pytest.raises(StoppedError):
        write_shard(planned, stopped)
    assert list(tmp_path.iterdir()) == []
