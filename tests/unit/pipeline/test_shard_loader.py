"""All shards of a split, read as one."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys

import numpy as np
import psutil
import pytest
import simplejpeg
import torch
from ffcv.loader import Loader, OrderOption
from ffcv.reader import Reader

from pipeline.batches.loader import ShardLoader
from pipeline.batches.reader import SplitReader
from pipeline.config import LoadingConfig, PrepareConfig
from pipeline.errors import BadDatasetError
from pipeline.photos.decode import square_photo
from pipeline.shards.manifest import Manifest


def by_sample_id(batches):
    return {
        int(sample_id): (image.numpy(), int(label))
        for batch in batches
        for image, label, sample_id in zip(*batch, strict=True)
    }


def stored_photos(path, split):
    """Every sample decoded without FFCV's reading: {sample_id: (pixels, label)}."""
    found = {}
    for shard in Manifest.load(path).splits[split].shards:
        content = (path / shard.file).read_bytes()
        reader = Reader(str(path / shard.file))
        for row, (_, start, size) in zip(reader.metadata, reader.alloc_table, strict=True):
            data = content[int(start) : int(start) + int(size)]
            if row["f0"]["mode"]:
                pixels = np.frombuffer(data, np.uint8).reshape(row["f0"]["height"], row["f0"]["width"], 3)
            else:
                pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True)
            found[int(row["f2"])] = (pixels, int(row["f1"]))
    return found


def stock_photos(path, split):
    """Every sample as FFCV's own Loader gives it, shard by shard."""
    found = {}
    for shard in Manifest.load(path).splits[split].shards:
        loader = Loader(
            str(path / shard.file), 8, num_workers=1, order=OrderOption.SEQUENTIAL, drop_last=False
        )
        for images, labels, sample_ids in loader:
            for image, label, sample_id in zip(images, labels, sample_ids, strict=True):
                found[int(sample_id)] = (image.numpy().copy(), int(label))
    return found


def assert_same_photos(found, expected):
    assert found.keys() == expected.keys()
    for sample_id, (pixels, label) in expected.items():
        assert np.array_equal(found[sample_id][0], pixels), sample_id
        assert found[sample_id][1] == label


@pytest.fixture
def threads_kept():
    """FFCV's own Loader changes torch's thread count."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def dataset(prepared, tmp_path):
    """A copy to do harm to."""
    return shutil.copytree(prepared.path, tmp_path / "pets")


@pytest.mark.parametrize(("split", "count"), [("train", 66), ("val", 23)])
def test_every_sample_equals_its_stored_bytes(prepared, split, count):
    found = by_sample_id(ShardLoader(prepared.path, split, batch_size=1))
    assert len(found) == count
    assert_same_photos(found, stored_photos(prepared.path, split))


@pytest.mark.usefixtures("threads_kept")
def test_every_sample_of_every_shard_equals_the_stock_loader(prepared):
    found = by_sample_id(ShardLoader(prepared.path, "train", batch_size=1))
    assert_same_photos(found, stock_photos(prepared.path, "train"))


def test_samples_are_the_photos_of_the_sorted_listing(prepared, photos):
    listed = sorted((prepared.source / "train").glob("*/*.*"))
    listed = [path for path in listed if not path.name.startswith(".")]
    for sample_id, (pixels, label) in by_sample_id(ShardLoader(prepared.path, "train", batch_size=6)).items():
        path = listed[sample_id]
        assert path.parent.name == photos.class_ids[label]
        original = square_photo(path.read_bytes(), 32)
        assert np.abs(original.astype(int) - pixels).mean() < 12, path


def test_batches_are_the_callers_to_keep(prepared):
    loader = ShardLoader(prepared.path, "train", batch_size=6)
    kept = list(loader)
    assert len({batch.images.data_ptr() for batch in kept}) == len(kept) == 11
    assert_same_photos(by_sample_id(kept), stored_photos(prepared.path, "train"))
    assert {(batch.labels.dtype, batch.sample_ids.dtype) for batch in kept} == {(torch.int64, torch.int64)}


def test_ranks_share_the_global_batches(prepared):
    def batches(**rank):
        return list(ShardLoader(prepared.path, "train", batch_size=12, seed=3, **rank))

    alone = batches()
    ranks = [batches(rank=rank, world_size=3) for rank in range(3)]
    for step, batch in enumerate(alone):
        for field in range(3):
            together = torch.cat([rank[step][field] for rank in ranks])
            assert torch.equal(together, batch[field])


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_validation_is_exact_at_every_world_size(prepared, world_size):
    seen = []
    for rank in range(world_size):
        loader = ShardLoader(prepared.path, "val", batch_size=7, rank=rank, world_size=world_size)
        batches = list(loader)
        assert len(batches) == len(loader)
        seen += [int(sample_id) for batch in batches for sample_id in batch.sample_ids]
    assert sorted(seen) == sorted(stored_photos(prepared.path, "val"))


def test_resuming_yields_exactly_the_remaining_batches(prepared):
    undisturbed = ShardLoader(prepared.path, "train", batch_size=6, seed=9)
    undisturbed.set_epoch(2)
    whole = list(undisturbed) + list(undisturbed)
    first = ShardLoader(prepared.path, "train", batch_size=6, seed=9)
    first.set_epoch(2)
    for _, batch in zip(range(4), first, strict=False):
        assert torch.equal(batch.sample_ids, whole[0].sample_ids) or len(batch.sample_ids) == 6
    state = json.loads(json.dumps(first.state_dict()))
    second = ShardLoader(prepared.path, "train", batch_size=6, seed=9)
    second.load_state_dict(state)
    rest = list(second) + list(second)
    assert len(rest) == len(whole) - state["step"]
    for found, expected in zip(rest, whole[state["step"] :], strict=True):
        assert torch.equal(found.sample_ids, expected.sample_ids)
        assert torch.equal(found.images, expected.images)


def test_state_counts_the_batches_handed_out(prepared):
    loader = ShardLoader(prepared.path, "train", batch_size=20, seed=4)
    states = [loader.state_dict()]
    for _ in loader:
        states.append(loader.state_dict())
    states.append(loader.state_dict())
    assert [(state["epoch"], state["step"]) for state in states] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    loader.load_state_dict(states[3])
    assert list(loader) == []
    assert loader.state_dict() == {"seed": 4, "epoch": 1, "step": 0}
    with pytest.raises(ValueError, match="seed=5"):
        loader.load_state_dict({"seed": 5, "epoch": 0, "step": 0})


@pytest.mark.parametrize("config", [LoadingConfig(), LoadingConfig(os_cache=False, verify="full")])
def test_two_hundred_abandoned_epochs_leave_neither_threads_nor_memory_nor_files(
    prepared, new_threads, config
):
    process = psutil.Process()
    loader = ShardLoader(prepared.path, "train", batch_size=6, num_threads=2, config=config)

    def abandon(times):
        for _ in range(times):
            loader.set_epoch(0)
            for _ in loader:
                break
            batches = iter(loader)
            next(batches)
            batches.close()

    abandon(10)
    resident, files = process.memory_info().rss, process.num_fds()
    abandon(100)
    assert new_threads() == []
    assert process.num_fds() == files
    assert process.memory_info().rss - resident < 32 * 2**20


def test_a_kept_batch_outlives_its_loader(prepared):
    batch = next(iter(ShardLoader(prepared.path, "train", batch_size=66)))
    gc.collect()
    assert_same_photos(by_sample_id([batch]), stored_photos(prepared.path, "train"))


def test_memory_of_batches_is_used_again(prepared):
    loader = ShardLoader(prepared.path, "train", batch_size=6)
    places = {batch.images.data_ptr() for _ in range(20) for batch in loader}
    # One is in the loop, two lie ready, two are being decoded; one more may be on its way.
    assert len(places) <= 6


@pytest.mark.parametrize("num_threads", [1, 2])
def test_error_while_decoding_reaches_the_loop(prepared, monkeypatch, new_threads, num_threads):
    def fail(*arguments):
        raise OSError("the disk is gone")

    loader = ShardLoader(prepared.path, "train", batch_size=6, num_threads=num_threads)
    monkeypatch.setattr(loader._decoder, "_decode", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        list(loader)
    assert new_threads() == []


def test_split_and_files_that_are_not_there_are_named(dataset):
    with pytest.raises(BadDatasetError, match=r"no split 'test'.*train, val"):
        ShardLoader(dataset, "test", batch_size=1)
    (dataset / "val-00001.beton").unlink()
    with pytest.raises(BadDatasetError, match=r"val-00001\.beton cannot be read"):
        ShardLoader(dataset, "val", batch_size=1)


@pytest.mark.parametrize("place", [0, 25, 24 + 3 * 1041 + 10, -12, -4])
def test_damage_that_would_end_the_process_is_refused(dataset, place):
    content = bytearray((dataset / "train-00001.beton").read_bytes())
    content[place] ^= 0x55
    (dataset / "train-00001.beton").write_bytes(content)
    with pytest.raises(BadDatasetError, match=r"train-00001\.beton"):
        ShardLoader(dataset, "train", batch_size=1)


def test_cut_shard_is_refused(dataset):
    with (dataset / "train-00003.beton").open("r+b") as file:
        file.truncate(2**23 + 100)
    with pytest.raises(BadDatasetError, match="bytes instead of"):
        ShardLoader(dataset, "train", batch_size=1)


def test_labels_and_sample_ids_are_joined_in_the_order_of_the_shards(prepared):
    reader = SplitReader(prepared.path, "val")
    stored = stored_photos(prepared.path, "val")
    assert dict(zip(reader.sample_ids.tolist(), reader.labels.tolist(), strict=True)) == {
        sample_id: label for sample_id, (_, label) in stored.items()
    }
    assert reader.sample_ids.tolist() == list(stored)


def test_torch_and_numba_are_left_as_found(prepared):
    script = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(5)
import numba.typed
compiled = numba.typed.Dict
from pipeline.batches.loader import ShardLoader
batches = list(ShardLoader(Path(sys.argv[1]), "val", batch_size=4, num_threads=2))
assert len(batches) == 6, batches
assert torch.get_num_threads() == 5, torch.get_num_threads()
assert numba.typed.Dict is compiled
"""
    subprocess.run([sys.executable, "-c", script, str(prepared.path)], check=True, timeout=300)


@pytest.mark.shared_data
@pytest.mark.usefixtures("threads_kept")
def test_imagenet_photos_survive_the_way_through_shards(shared_data, run_prepare, tmp_path):
    source = tmp_path / "source"
    for folder in sorted((shared_data / "imagenet-sample").iterdir())[:40]:
        shutil.copytree(folder, source / folder.name)
    out = tmp_path / "out"
    run_prepare(source, out, PrepareConfig(shard_size=15, workers=1, write_mode="proportion"))
    found = by_sample_id(ShardLoader(out, "train", batch_size=1))
    assert len(found) == 40
    assert_same_photos(found, stored_photos(out, "train"))
    assert_same_photos(found, stock_photos(out, "train"))
    for sample_id, path in enumerate(sorted(source.glob("*/*"))):
        original = square_photo(path.read_bytes(), 256)
        assert np.abs(original.astype(int) - found[sample_id][0]).mean() < 12, path
