"""Which photos train, which validate, and where each is written."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import PrepareConfig
from pipeline.errors import BadSourceError
from pipeline.permutation import Purpose, permutation
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.class_names import name_of
from pipeline.photos.sources.folder import FolderSource
from pipeline.photos.sources.parquet import ParquetSource
from pipeline.photos.sources.table import TableSource
from pipeline.photos.sources.webdataset import WebDatasetSource
from pipeline.shards.plan import Plan, changes
from pipeline.shards.splits import Split, choose_splits, class_ids, fingerprint


def source_of(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return FolderSource(LocalFiles(root))


@given(count=st.integers(0, 300), seed=st.integers(0, 2**63 - 1), number=st.integers(0, 2**40))
def test_permutation_holds_every_place_once_and_depends_on_its_arguments_alone(count, seed, number):
    order = permutation(count, Purpose.EPOCH, seed=seed, number=number)
    assert sorted(order) == list(range(count))
    assert np.array_equal(order, permutation(count, Purpose.EPOCH, seed=seed, number=number))


def test_permutation_is_the_same_for_ever():
    assert permutation(8, Purpose.EPOCH, seed=5, number=1).tolist() == [7, 6, 5, 3, 1, 4, 0, 2]


def test_permutations_differ_by_purpose_seed_and_number():
    base = {"count": 50, "purpose": Purpose.EPOCH, "seed": 1, "number": 1}
    orders = [
        permutation(**(base | change))
        for change in ({}, {"purpose": Purpose.SHARDS}, {"seed": 2}, {"number": 2}, {"seed": 2**40 + 1})
    ]
    assert len({order.tobytes() for order in orders}) == len(orders)


def plan_of(num_photos, **config):
    """The plan of two splits whose photos nobody reads."""
    photos = [Photo(f"a/{number:06d}.jpg", "a", 1) for number in range(num_photos)]
    splits = [Split("train", None, photos), Split("val", None, photos)]
    return Plan.of(splits, PrepareConfig(**config), name="planned", class_names={})


@given(
    num_photos=st.integers(1, 500),
    shard_size=st.integers(1, 100),
    seed=st.integers(0, 2**63 - 1),
)
def test_plan_deals_every_photo_out_once_to_even_shards(num_photos, shard_size, seed):
    shards = plan_of(num_photos, shard_size=shard_size, seed=seed).shards(0)
    sizes = [len(shard.sample_ids) for shard in shards]
    assert sorted(np.concatenate([shard.sample_ids for shard in shards])) == list(range(num_photos))
    assert max(sizes) <= shard_size
    assert max(sizes) - min(sizes) <= 1
    assert [shard.file for shard in shards] == [f"train-{index:05d}.beton" for index in range(len(shards))]


def test_shards_are_shuffled_over_the_whole_split_and_no_two_splits_alike():
    plan = plan_of(1000, shard_size=100, seed=3)
    train, val = plan.shards(0)[0].sample_ids, plan.shards(1)[0].sample_ids
    assert len(Counter(train // 100)) == 10
    assert not np.array_equal(train, val)


@pytest.mark.parametrize(
    ("config", "raw"),
    [
        ({"write_mode": "raw"}, 1000),
        ({"write_mode": "jpg"}, 0),
        ({"write_mode": "proportion"}, 500),
        ({"write_mode": "proportion", "raw_fraction": 0.3}, 300),
    ],
)
def test_as_many_photos_are_stored_raw_as_was_asked_for(config, raw):
    shards = plan_of(1000, shard_size=200, **config).shards(0)
    assert sum(int(shard.raw.sum()) for shard in shards) == raw
    if 0 < raw < 1000:
        chosen = np.concatenate([shard.sample_ids[shard.raw] for shard in shards])
        assert len(Counter(chosen // 100)) == 10, "spread over the whole split"
        other = plan_of(1000, shard_size=200, seed=1, **config).shards(0)
        assert set(chosen) != {place for shard in other for place in shard.sample_ids[shard.raw]}


def test_what_changed_between_two_plans_is_named():
    photos = [Photo("a/1", "a", 1), Photo("b/1", "b", 1), Photo("c/1", "c", 1), Photo("d/1", "d", 1)]
    others = [Photo("a/1", "a", 2), Photo("b/1", "b", 1), Photo("b/2", "b", 1), Photo("d/1", "d", 1)]

    class Source:
        def __init__(self, location):
            self.location = location

    before = Plan.of(
        [Split("train", Source("/x"), photos)], PrepareConfig(seed=1), name="pets", class_names={"a": "ant"}
    ).document()
    after = Plan.of(
        [Split("train", Source("/y"), others)],
        PrepareConfig(seed=2, workers=3),
        name="insects",
        class_names={"a": "ape", "b": "bee", "yak": "yak"},
    ).document()
    assert changes(before, before) == []
    assert changes(before, after) == [
        "source of train was /x and is /y",
        "seed was 1 and is 2",
        "the dataset's name was 'pets' and is 'insects'",
        "the name of class 'a' was 'ant' and is 'ape'",
        "the name of class 'b' was 'b' and is 'bee'",
        "photos of class 'a' of train have other names or sizes",
        "class 'b' of train had 1 photos and has 2",
        "class 'c' of train has gone",
    ]
    # Plans of before do not say what anything is called.
    del before["names"]
    assert changes(before, after)[:3] == [
        "source of train was /x and is /y",
        "seed was 1 and is 2",
        "photos of class 'a' of train have other names or sizes",
    ]


def test_classes_that_differ_only_in_case_are_refused(tmp_path):
    splits = choose_splits(source_of(tmp_path, "Cat/1", "cat/2", "dog/3"), None, None, seed=0)
    with pytest.raises(BadSourceError, match="'Cat' and 'cat' differ only in case"):
        class_ids(splits)


def test_fraction_is_taken_from_every_class_and_keeps_its_last_photo(tmp_path):
    sizes = {"many": 40, "some": 10, "one": 1}
    source = source_of(tmp_path, *(f"{name}/{i:02d}" for name, size in sizes.items() for i in range(size)))
    train, val = choose_splits(source, None, 0.25, seed=4)
    assert Counter(photo.class_id for photo in val.photos) == {"many": 10, "some": 3}
    assert sorted([*train.photos, *val.photos]) == source.listings()["all"]
    assert list(val.photos) == sorted(val.photos)
    assert choose_splits(source, None, 0.25, seed=4) == (train, val)
    assert choose_splits(source, None, 0.25, seed=5)[1] != val


def test_fraction_that_sets_nothing_aside_is_refused(tmp_path):
    with pytest.raises(BadSourceError, match="val_fraction"):
        choose_splits(source_of(tmp_path, "a/1", "a/2"), None, 0.01, seed=0)


def test_validation_photos_come_from_one_place_only(tmp_path):
    both = source_of(tmp_path / "both", "train/a/1", "val/a/2")
    flat = source_of(tmp_path / "flat", "a/3")
    assert [split.name for split in choose_splits(flat, None, None, seed=0)] == ["train"]
    assert [split.name for split in choose_splits(both, None, None, seed=0)] == ["train", "val"]
    assert choose_splits(flat, both, None, seed=0)[1].photos == [Photo("val/a/2", "a", 1)]
    assert choose_splits(flat, flat, None, seed=0)[1].photos == [Photo("a/3", "a", 1)]
    for val, fraction in ((flat, None), (None, 0.5)):
        with pytest.raises(BadSourceError, match="come from one place"):
            choose_splits(both, val, fraction, seed=0)


def table_of(root, *labels):
    root.mkdir()
    rows = "".join(f"{place}.jpg,{label}\n" for place, label in enumerate(labels))
    (root / "table.csv").write_text(f"path,label\n{rows}")
    return TableSource(LocalFiles(root), "table.csv")


@pytest.mark.parametrize(
    ("train", "val", "ids"),
    [
        (range(11), [9, 0], ["00", "09"]),
        (range(101), [7, 42], ["007", "042"]),
        (range(10), [3], ["3"]),
    ],
)
def test_numbers_of_validated_classes_are_written_as_those_of_the_trained(tmp_path, train, val, ids):
    splits = choose_splits(
        table_of(tmp_path / "train", *train), table_of(tmp_path / "val", *val), None, seed=0
    )
    assert [photo.class_id for photo in splits[1].photos] == ids
    assert class_ids(splits) == sorted({photo.class_id for photo in splits[0].photos})


def test_numbered_classes_of_other_forms_are_written_alike(tmp_path):
    table = pa.table({"image": [b"x", b"y"], "label": [2, 0]})
    names = {"info": {"features": {"label": {"names": [f"class {number}" for number in range(12)]}}}}
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(names)}), tmp_path / "val.parquet"
    )
    # The file numbers twelve classes, the table three.
    splits = choose_splits(
        table_of(tmp_path / "train", 0, 1, 2),
        ParquetSource(LocalFiles(tmp_path), "val.parquet"),
        None,
        seed=0,
    )
    assert [(photo.class_id, photo.place) for photo in splits[1].photos] == [("0", 1), ("2", 0)]


@pytest.mark.parametrize(
    ("train", "val", "unknown"), [(range(0, 12, 2), [2, 3], "3"), (["a", "b"], [0], "0")]
)
def test_number_that_is_never_trained_on_is_refused_as_it_was_written(tmp_path, train, val, unknown):
    splits = choose_splits(
        table_of(tmp_path / "train", *train), table_of(tmp_path / "val", *val), None, seed=0
    )
    with pytest.raises(BadSourceError, match=f"class '{unknown}' is in val but not in train"):
        class_ids(splits)


def test_validation_source_with_train_alone_is_refused(tmp_path):
    flat, train = source_of(tmp_path / "flat", "a/1"), source_of(tmp_path / "train", "train/a/1")
    with pytest.raises(BadSourceError, match="no val/"):
        choose_splits(flat, train, None, seed=0)


def test_source_of_validation_photos_alone_trains_nothing(tmp_path):
    for name in ("validation-0.tar", "validation-1.tar"):
        with tarfile.open(tmp_path / name, "w") as tar:
            info = tarfile.TarInfo(f"a/{name}.jpg")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    source = WebDatasetSource(LocalFiles(tmp_path))
    assert list(source.listings()) == ["val"]
    with pytest.raises(BadSourceError, match="none to train with"):
        choose_splits(source, None, None, seed=0)
    flat = source_of(tmp_path / "flat", "a/1")
    assert len(choose_splits(flat, source, None, seed=0)[1].photos) == 2


def test_names_of_numbered_classes_may_leave_zeros_out():
    names = {"7": "seven", "010": "ten", "cat": "house cat"}
    assert [name_of(class_id, names) for class_id in ("007", "010", "cat", "011", "²")] == [
        "seven",
        "ten",
        "house cat",
        "011",
        "²",
    ]


def test_class_that_is_never_trained_on_is_refused(tmp_path):
    splits = choose_splits(source_of(tmp_path, "train/b/1", "train/a/1", "val/c/1"), None, None, seed=0)
    with pytest.raises(BadSourceError, match="'c' is in val but not in train"):
        class_ids(splits)
    assert class_ids(splits[:1]) == ["a", "b"]


def test_fingerprint_sees_names_and_sizes(tmp_path):
    def now():
        return fingerprint(choose_splits(FolderSource(LocalFiles(tmp_path)), None, None, seed=0))

    source_of(tmp_path, "a/1", "a/2")
    seen = [now()]
    assert now() == seen[0]
    (tmp_path / "a/1").write_bytes(b"longer")
    seen.append(now())
    (tmp_path / "a/2").rename(tmp_path / "a/3")
    seen.append(now())
    assert len(set(seen)) == 3
