"""The manifest, and what it promises of the files beside it."""

from __future__ import annotations

import json
import shutil

import pytest

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
        "seed",
        "source",
        "classes",
        "splits",
        "statistics",
        "quarantined",
        "tool_version",
    ]
    assert list(stored["source"]) == ["type", "location", "fingerprint"]
    assert list(stored["splits"]["val"]["shards"][0]) == ["file", "num_samples", "size_bytes", "xxh3_128"]


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


@pytest.mark.parametrize("place", [0, 30, 4000, 2**23 + 5, -1])
def test_flipped_bit_is_found_and_its_shard_named(dataset, place):
    content = bytearray((dataset / "train-00002.beton").read_bytes())
    content[place] ^= 1
    (dataset / "train-00002.beton").write_bytes(content)
    assert [(fault.file, fault.detail[:12]) for fault in verify(dataset)] == [
        ("train-00002.beton", "has checksum")
    ]


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
