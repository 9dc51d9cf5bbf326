"""A thousand samples of both kinds over several shards, in every order and every way of reading."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg
from ffcv.reader import Reader

from pipeline.batches.loader import ShardLoader
from pipeline.config import LoadingConfig, PrepareConfig
from pipeline.shards.manifest import Manifest

PHOTOS = 1_000
# Shards are smaller than a page here, so a block is a shard and a window two of them.
BLOCKS = {"shuffle": "blocks", "block_bytes": 8 * 2**20, "window_bytes": 16 * 2**20}


@pytest.fixture(scope="module")
def dataset(photos, run_prepare, tmp_path_factory):
    """1,000 photos, half of them stored raw, the others as JPEG."""
    folder = tmp_path_factory.mktemp("thousand")
    for number in range(PHOTOS):
        path = folder / "source" / ("cat", "dog", "owl")[number % 3] / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photos.encode(photos.pixels(number, 32, 32), "PNG"))
    config = PrepareConfig(image_size=32, shard_size=170, write_mode="proportion", seed=3, workers=2)
    run_prepare(folder / "source", folder / "out", config)
    return folder / "out"


@pytest.fixture(scope="module")
def stored(dataset):
    """Every photo decoded without FFCV's reading and without ours: {sample_id: (pixels, label)}."""
    found = {}
    shards = Manifest.load(dataset).splits["train"].shards
    assert len(shards) >= 4
    for shard in shards:
        content = (dataset / shard.file).read_bytes()
        reader = Reader(str(dataset / shard.file))
        for row, (_, start, size) in zip(reader.metadata, reader.alloc_table, strict=True):
            data = content[int(start) : int(start) + int(size)]
            if row["f0"]["mode"]:
                pixels = np.frombuffer(data, np.uint8).reshape(32, 32, 3)
            else:
                pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True)
            found[int(row["f2"])] = (pixels, int(row["f1"]))
    return found


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("os_cache", [True, False], ids=["mapped", "pages"])
@pytest.mark.parametrize("order", [{}, BLOCKS], ids=["full", "blocks"])
@pytest.mark.parametrize("verify", ["samples", "full"])
def test_a_thousand_of_a_thousand_samples_are_exact(dataset, stored, num_threads, os_cache, order, verify):
    config = LoadingConfig(os_cache=os_cache, verify=verify, **order)
    loader = ShardLoader(dataset, "train", batch_size=100, seed=5, num_threads=num_threads, config=config)
    for epoch in range(2):
        seen = set()
        for batch in loader:
            for image, label, sample_id in zip(*batch, strict=True):
                pixels, expected = stored[int(sample_id)]
                assert np.array_equal(image.numpy(), pixels), (epoch, int(sample_id))
                assert int(label) == expected
                seen.add(int(sample_id))
        assert seen == set(range(PHOTOS))


@pytest.mark.parametrize("order", [{}, BLOCKS], ids=["full", "blocks"])
def test_ways_of_reading_give_the_same_batches(dataset, order):
    mapped, pages = (
        [batch.sample_ids.tolist() for batch in ShardLoader(dataset, "train", batch_size=64, config=config)]
        for config in (LoadingConfig(**order), LoadingConfig(os_cache=False, **order))
    )
    assert mapped == pages


def test_blocks_hold_to_their_window(dataset):
    """With windows of two shards, no more than two are in use between two places of the order."""
    loader = ShardLoader(dataset, "train", batch_size=1, seed=1, config=LoadingConfig(**BLOCKS))
    positions = {int(sample_id): place for place, sample_id in enumerate(loader._reader.sample_ids)}
    order = np.array([positions[int(batch.sample_ids)] for batch in loader])
    shards = loader._reader.shards_of(order)
    first = {shard: int(np.flatnonzero(shards == shard)[0]) for shard in set(shards.tolist())}
    last = {shard: int(np.flatnonzero(shards == shard)[-1]) for shard in first}
    in_use = [sum(first[shard] <= place <= last[shard] for shard in first) for place in range(len(order))]
    assert max(in_use) == 2
    assert not np.array_equal(order, np.sort(order))
