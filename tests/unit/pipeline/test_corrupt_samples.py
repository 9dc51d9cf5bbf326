"""Samples that are not as they were written: never other pixels in their place, and nobody waits for ever."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
import structlog
import torch

from pipeline.batches.loader import ShardLoader
from pipeline.batches.reader import SplitReader, is_raw
from pipeline.config import LoadingConfig, PrepareConfig
from pipeline.errors import BadDatasetError, CorruptSampleError

SKIP = LoadingConfig(on_corrupt="skip")
PAGES = LoadingConfig(os_cache=False)


class Damage(NamedTuple):
    """One sample with a flipped bit, and where it is."""

    shard: str
    sample_id: int
    position: int


@pytest.fixture(scope="module")
def mixed(photo_source, run_prepare, tmp_path_factory):
    """The photos of `prepared`, half of them raw."""
    out = tmp_path_factory.mktemp("datasets") / "mixed"
    config = PrepareConfig(image_size=32, shard_size=20, write_mode="proportion", max_quarantine=0.1)
    run_prepare(photo_source, out, config)
    return out


@pytest.fixture
def dataset(mixed, tmp_path):
    """A copy to do harm to."""
    return shutil.copytree(mixed, tmp_path / "mixed")


def position_of(dataset, *, raw, split="train"):
    reader = SplitReader(dataset, split)
    return int(np.flatnonzero(is_raw(reader.metadata) == raw)[5])


def damage(dataset, position, place=0.6, bit=3, split="train"):
    """Flips one bit of a stored photo."""
    reader = SplitReader(dataset, split)
    number = int(reader.shards_of(np.array(position)))
    path = reader.paths[number]
    content = bytearray(path.read_bytes())
    start = int(reader.pointers[position] - reader.offsets[number])
    content[start + int(place * int(reader.sizes[position]))] ^= 1 << bit
    path.write_bytes(content)
    return Damage(path.name, int(reader.sample_ids[position]), position)


def loaded(dataset, **options):
    """Every sample by its id: pixels and label."""
    loader = ShardLoader(dataset, "train", batch_size=6, **options)
    found = {
        int(sample_id): (image.numpy().copy(), int(label))
        for batch in loader
        for image, label, sample_id in zip(*batch, strict=True)
    }
    return loader, found


@pytest.mark.parametrize("place", [0.0, 0.02, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("config", [LoadingConfig(), PAGES])
def test_one_flipped_bit_in_a_jpeg_ends_the_loop_and_is_named(dataset, place, config):
    hurt = damage(dataset, position_of(dataset, raw=False), place)
    with pytest.raises(CorruptSampleError) as raised:
        loaded(dataset, config=config)
    error = raised.value
    assert (os.path.basename(error.shard), error.sample_id) == (hurt.shard, hurt.sample_id)  # noqa: PTH119
    assert "its bytes are not those that were written" in str(error)
    assert "prepare the dataset again" in str(error)


def test_stock_ffcv_shows_other_pixels_for_the_same_file(dataset):
    """What the checked decoder is there for: the stock loader hands out pixels nobody stored."""
    _, whole = loaded(dataset)
    hurt = damage(dataset, position_of(dataset, raw=False), 0.8)
    script = """
import sys
import numpy as np
from ffcv.loader import Loader, OrderOption
loader = Loader(sys.argv[1], batch_size=4, num_workers=1, order=OrderOption.SEQUENTIAL, drop_last=False)
for images, _, sample_ids in loader:
    for image, sample_id in zip(images, sample_ids):
        if int(sample_id) == int(sys.argv[2]):
            np.save(sys.argv[3], image.numpy())
"""
    target = dataset / "stock.npy"
    command = [sys.executable, "-c", script, str(dataset / hurt.shard), str(hurt.sample_id), str(target)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert hurt.shard not in finished.stderr
    assert not np.array_equal(np.load(target), whole[hurt.sample_id][0])


def test_skipped_samples_are_left_out_counted_and_logged(dataset):
    _, whole = loaded(dataset)
    first = damage(dataset, position_of(dataset, raw=False))
    second = damage(dataset, first.position + 1 if first.position % 2 else first.position - 1, 0.5)
    with structlog.testing.capture_logs() as logs:
        loader, found = loaded(dataset, config=SKIP)
    gone = {
        hurt.sample_id
        for hurt in (first, second)
        if not is_raw(SplitReader(dataset, "train").metadata)[hurt.position]
    }
    assert loader.num_skipped == len(gone) == len(logs)
    assert {log["sample_id"] for log in logs} == gone
    assert {log["event"] for log in logs} == {"corrupt_sample_skipped"}
    assert found.keys() == whole.keys() - gone
    for sample_id in found.keys() - {second.sample_id}:
        assert np.array_equal(found[sample_id][0], whole[sample_id][0])
        assert found[sample_id][1] == whole[sample_id][1]


def test_order_of_the_others_does_not_change_when_one_is_skipped(dataset):
    whole = [batch.sample_ids for batch in ShardLoader(dataset, "train", batch_size=6, seed=2)]
    hurt = damage(dataset, position_of(dataset, raw=False))
    found = [batch.sample_ids for batch in ShardLoader(dataset, "train", batch_size=6, seed=2, config=SKIP)]
    assert len(found) == len(whole)
    for one, other in zip(found, whole, strict=True):
        assert torch.equal(one, other[other != hurt.sample_id])


def test_a_training_batch_of_nothing_but_damaged_samples_is_raised(dataset):
    hurt = damage(dataset, position_of(dataset, raw=False))
    with pytest.raises(CorruptSampleError) as raised:
        list(ShardLoader(dataset, "train", batch_size=1, config=SKIP))
    assert raised.value.sample_id == hurt.sample_id


def test_a_validation_batch_of_nothing_but_damaged_samples_is_empty(dataset):
    whole = list(ShardLoader(dataset, "val", batch_size=1))
    hurt = damage(dataset, position_of(dataset, raw=False, split="val"), split="val")
    found = list(ShardLoader(dataset, "val", batch_size=1, config=SKIP))
    assert len(found) == len(whole)
    assert [batch.images.shape for batch in found if not len(batch.labels)] == [(0, 32, 32, 3)]
    seen = [int(batch.sample_ids) for batch in found if len(batch.labels)]
    assert sorted([*seen, hurt.sample_id]) == sorted(int(batch.sample_ids) for batch in whole)


def test_full_verification_finds_a_flipped_bit_in_raw_pixels(dataset):
    hurt = damage(dataset, position_of(dataset, raw=True))
    with pytest.raises(CorruptSampleError, match="checksum of its shard") as raised:
        loaded(dataset, config=LoadingConfig(verify="full"))
    assert raised.value.shard.endswith(hurt.shard)


def test_full_verification_skips_the_raw_photos_of_a_changed_shard_alone(dataset):
    _, whole = loaded(dataset)
    hurt = damage(dataset, position_of(dataset, raw=True))
    loader, found = loaded(dataset, config=LoadingConfig(verify="full", on_corrupt="skip"))
    reader = SplitReader(dataset, "train")
    number = [path.name for path in reader.paths].index(hurt.shard)
    of_shard = reader.shards_of(np.arange(reader.num_samples)) == number
    gone = set(reader.sample_ids[of_shard & is_raw(reader.metadata)].tolist())
    assert hurt.sample_id in gone
    assert found.keys() == whole.keys() - gone
    assert loader.num_skipped == len(gone)


def test_each_shard_is_read_for_verification_once(mixed, monkeypatch):
    from pipeline.batches import shard_check

    read = []
    checksum = shard_check.file_checksum
    monkeypatch.setattr(shard_check, "file_checksum", lambda path: read.append(path.name) or checksum(path))
    loader = ShardLoader(mixed, "train", batch_size=6, config=LoadingConfig(verify="full"), num_threads=3)
    for _ in range(2):
        assert len(list(loader)) == 11
    assert sorted(read) == sorted(path.name for path in SplitReader(mixed, "train").paths)


@pytest.mark.parametrize(("offset", "what"), [(0, "mode"), (5, "pointer"), (16, "label"), (24, "sample id")])
def test_flipped_bits_of_the_index_are_found_when_the_dataset_is_opened(dataset, offset, what):
    path = dataset / "train-00001.beton"
    content = bytearray(path.read_bytes())
    content[24 + 3 * 1041 + 7 * 32 + offset] ^= 2
    path.write_bytes(content)
    with pytest.raises(BadDatasetError, match=r"train-00001\.beton"):
        ShardLoader(dataset, "train", batch_size=1)


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(CorruptSampleError("train-00001.beton", 17, "it is gone")))
    assert (error.shard, error.sample_id, error.reason) == ("train-00001.beton", 17, "it is gone")
    assert str(error).startswith("train-00001.beton: sample 17 is damaged: it is gone")
