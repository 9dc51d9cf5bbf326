"""The manifest, and what it promises of the files beside it."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
import xxhash
from ffcv.reader import Reader
from ffcv.types import HeaderType

from pipeline.errors import BadDatasetError
from pipeline.shards.manifest import Manifest
from pipeline.shards.verify import verify


@pytest.fixture
def dataset(prepared, tmp_path):
    """A copy to do harm to."""
    return shutil.copytree(prepared.path, tmp_path / "pets")


def change(dataset, **values):
    path = dataset / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_manifest_has_the_agreed_fields_in_order(prepared):
    stored = json.loads((prepared.path / "manifest.json").read_text())
    assert list(stored) == [
        "schema_version",
        "name",
        "created_at",
        "image_size",
        "write_mode",
        "jpeg_quality",
        "chroma_subsampling",
        "sample_checksum",
        "seed",
        "source",
        "classes",
        "splits",
        "statistics",
        "quarantined",
        "tool_version",
    ]
    assert list(stored["splits"]["val"]) == ["num_samples", "class_counts", "shards"]
    assert list(stored["source"]) == ["type", "location", "fingerprint"]
    assert list(stored["splits"]["val"]["shards"][0]) == [
        "file",
        "num_samples",
        "size_bytes",
        "xxh3_128",
        "index_xxh3_128",
    ]


def test_dataset_of_before_loads_and_keeps_the_checksum_it_had(dataset):
    path = dataset / "manifest.json"
    stored = json.loads(path.read_text())
    del stored["sample_checksum"]
    for split in stored["splits"].values():
        del split["class_counts"]
        for shard in split["shards"]:
            del shard["index_xxh3_128"]
    path.write_text(json.dumps(stored))
    manifest = Manifest.load(dataset)
    assert manifest.sample_checksum is None
    assert {shard.index_xxh3_128 for shard in manifest.splits["train"].shards} == {None}
    assert list(verify(dataset)) == []
    del stored["created_at"]
    text = json.dumps(stored, separators=(",", ":"), ensure_ascii=False)
    assert manifest.checksum == xxhash.xxh3_128_hexdigest(text.encode())


def test_checksum_ignores_the_time_and_nothing_else(dataset):
    before = Manifest.load(dataset).checksum
    change(dataset, created_at="2001-01-01T00:00:00Z")
    assert Manifest.load(dataset).checksum == before
    change(dataset, seed=8)
    assert Manifest.load(dataset).checksum != before


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"surprise": 1}, "surprise"),
        ({"statistics": {"file": "statistics.npz", "xxh3_128": "short"}}, "statistics.xxh3_128"),
        ({"sample_checksum": "crc32"}, "sample_checksum"),
    ],
)
def test_manifest_that_makes_no_sense_is_refused_naming_the_field(dataset, values, place):
    change(dataset, **values)
    with pytest.raises(BadDatasetError, match=place):
        Manifest.load(dataset)


def test_shard_outside_the_dataset_is_refused(dataset):
    shard = {"file": "../train-00000.beton", "num_samples": 1, "size_bytes": 1, "xxh3_128": "0" * 32}
    change(dataset, splits={"train": {"num_samples": 1, "shards": [shard]}})
    with pytest.raises(BadDatasetError, match=r"splits\.train\.shards\.0\.file"):
        Manifest.load(dataset)


def test_folder_without_manifest_is_not_a_dataset(tmp_path):
    with pytest.raises(BadDatasetError, match="is not a dataset"):
        Manifest.load(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BadDatasetError, match="damaged"):
        Manifest.load(tmp_path)


def regions(path):
    """The parts of a shard, header to allocation table, with no byte left out: (start, end) of each."""
    reader = Reader(str(path))
    descriptors = HeaderType.itemsize
    metadata = descriptors + reader.field_descriptors.nbytes
    ends = np.sort(reader.alloc_table["ptr"] + reader.alloc_table["size"])
    starts = np.sort(reader.alloc_table["ptr"])
    table = int(reader.header["alloc_table_ptr"])
    edges = [0, descriptors, metadata, metadata + reader.metadata.nbytes, int(starts[0])]
    edges += [int(starts[1]), int(starts[-1]), int(ends[-1]), table, path.stat().st_size]
    return list(pairwise(edges))


def test_flipped_bit_anywhere_in_any_shard_is_found_and_the_shard_named(dataset):
    shards = sorted(dataset.glob("*.beton"))
    assert {shard.name[:5] for shard in shards} == {"train", "val-0"}
    for shard in shards:
        for start, end in regions(shard):
            assert start < end
            for place in {start, (start + end) // 2, end - 1}:
                flip(shard, place)
                found = [(fault.file, fault.detail[:12]) for fault in verify(dataset)]
                assert found == [(shard.name, "has checksum")], place
                flip(shard, place)
    assert list(verify(dataset)) == []


def flip(path, place):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << place % 8)]))


def test_every_kind_of_fault_is_named(dataset):
    (dataset / "train-00001.beton").unlink()
    with (dataset / "val-00000.beton").open("r+b") as file:
        file.truncate(1000)
    (dataset / "statistics.npz").write_bytes(b"other")
    faults = dict(verify(dataset))
    assert faults["train-00001.beton"] == "cannot be read: No such file or directory"
    assert faults["val-00000.beton"].startswith("has 1000 bytes instead of ")
    assert faults["statistics.npz"].startswith("has checksum ")
    assert len(faults) == 3


@pytest.mark.parametrize(
    ("harm", "detail"),
    [
        (lambda lines: lines[1:], "has 3 lines instead of 4"),
        (lambda lines: [*lines, lines[0]], "has 5 lines instead of 4"),
        (lambda lines: [lines[0], lines[1][:20] + b"\n", *lines[2:]], "not a JSON object: line 2"),
        (lambda lines: [b"17\n", *lines[1:]], "not a JSON object: line 1"),
        (lambda lines: [*lines[:3], b"\xff\n"], "not a JSON object: line 4"),
        (lambda lines: [b"\n", *lines[1:]], "not a JSON object: line 1"),
        (lambda lines: [*lines[:3], b"[" * 100_000 + b"\n"], "not a JSON object: line 4"),
    ],
)
def test_ledger_that_lost_or_tore_a_line_is_found(dataset, harm, detail):
    ledger = dataset / "quarantine.jsonl"
    ledger.write_bytes(b"".join(harm(ledger.read_bytes().splitlines(keepends=True))))
    ((file, found),) = verify(dataset)
    assert file == "quarantine.jsonl"
    assert detail in found


def test_ledger_that_is_gone_is_found_and_an_empty_one_is_sound_without_quarantined_photos(dataset):
    (dataset / "quarantine.jsonl").unlink()
    assert list(verify(dataset)) == [("quarantine.jsonl", "cannot be read: No such file or directory")]
    (dataset / "quarantine.jsonl").touch()
    assert len(list(verify(dataset))) == 1
    change(dataset, quarantined=0)
    assert list(verify(dataset)) == []
