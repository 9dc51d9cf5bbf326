"""`tandem prepare` and `tandem inspect` on real photos made here, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.shards.manifest import Manifest
from service.cli.main import run

pytestmark = pytest.mark.usefixtures("ray_here")

COUNTS = {"train": {"circle": 6, "square": 4}, "val": {"circle": 1, "square": 2}}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for split, classes in COUNTS.items():
        for class_id, count in classes.items():
            (folder / split / class_id).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / class_id / f"{number}.jpg")
    return folder


def prepare(photos: Path, out: Path, *options: str) -> int:
    return run(["prepare", str(photos), "--out", str(out), "--image-size", "32", "--workers", "1", *options])


def test_prepare_writes_a_dataset_and_describes_it_in_one_json_object(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(photos, tmp_path / "shapes", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    manifest = Manifest.load(tmp_path / "shapes")
    assert answer["samples"] == {"train": 10, "val": 3}
    assert (answer["name"], answer["classes"], answer["quarantined"]) == ("shapes", 2, 0)
    assert answer["checksum"] == manifest.checksum


def test_prepare_takes_its_name_and_its_validation_share_from_options(photos: Path, tmp_path: Path) -> None:
    options = ("--name", "shapes", "--val-fraction", "0.5", "--seed", "3", "--write-mode", "raw")
    assert prepare(photos / "train", tmp_path / "out", *options) == 0
    manifest = Manifest.load(tmp_path / "out")
    assert (manifest.name, manifest.seed, manifest.write_mode) == ("shapes", 3, "raw")
    assert {split: part.num_samples for split, part in manifest.splits.items()} == {"train": 5, "val": 5}


def test_inspect_counts_the_photos_of_each_class(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(photos, tmp_path / "shapes")
    capsys.readouterr()
    assert run(["inspect", str(tmp_path / "shapes"), "--verify", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["class_counts"] == COUNTS
    assert answer["faults"] == []
    assert run(["inspect", str(tmp_path / "shapes"), "--verify"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["circle", "6", "1"] in rows
    assert ["all", "10", "3"] in rows


def test_inspect_names_the_file_that_changed(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(photos, tmp_path / "shapes")
    shard = tmp_path / "shapes" / "train-00000.beton"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    capsys.readouterr()
    assert run(["inspect", str(tmp_path / "shapes"), "--verify", "--json"]) == 3
    printed = capsys.readouterr()
    assert [fault["file"] for fault in json.loads(printed.out)["faults"]] == ["train-00000.beton"]
    assert "train-00000.beton" in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--image-size", "0"], 2, "image_size"),
        (["--val", "x", "--val-fraction", "0.5"], 2, "--val-fraction"),
        (["--raw-fraction", "0.5"], 2, "raw_fraction=0.5 needs write_mode=proportion"),
        (["--max-pixels", "0"], 2, "max_pixels"),
        (["--class-names", "nowhere.json"], 3, "nowhere.json"),
        (["--write-mode", "png"], 2, "png"),
    ],
)
def test_options_that_make_no_sense_are_one_line(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    assert run(["prepare", str(photos), "--out", str(tmp_path / "out"), *options]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_not_there_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(tmp_path / "nowhere", tmp_path / "out") == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_same_command_again_changes_nothing_and_another_needs_force(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(photos, tmp_path / "shapes")
    before = Manifest.load(tmp_path / "shapes")
    assert prepare(photos, tmp_path / "shapes") == 0
    capsys.readouterr()
    assert prepare(photos, tmp_path / "shapes", "--seed", "5", "--exif", "apply") == 3
    error = capsys.readouterr().err
    assert "exif was ignore and is apply; seed was 0 and is 5" in error
    assert error.count("\n") == 1
    assert Manifest.load(tmp_path / "shapes") == before
    assert prepare(photos, tmp_path / "shapes", "--seed", "5", "--force") == 0
    assert Manifest.load(tmp_path / "shapes").seed == 5


def test_storage_and_class_names_are_options(photos: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.json"
    names.write_text('{"circle": "a round thing"}')
    options = ("--write-mode", "proportion", "--raw-fraction", "0.25", "--chroma-subsampling", "4:4:4")
    assert prepare(photos, tmp_path / "out", *options, "--class-names", str(names)) == 0
    manifest = Manifest.load(tmp_path / "out")
    assert (manifest.write_mode, manifest.chroma_subsampling) == ("proportion", "4:4:4")
    assert [each.name for each in manifest.classes] == ["a round thing", "square"]


def test_too_many_unusable_photos_are_exit_code_4(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "train" / "circle" / "notes.txt").write_text("no photo")
    assert prepare(photos, tmp_path / "out", "--max-quarantine", "0.05") == 4
    error = capsys.readouterr().err
    assert "1 not_an_image (as train/circle/notes.txt)" in error
    assert "quarantine.jsonl" in error
    assert not (tmp_path / "out").exists()
    assert prepare(photos, tmp_path / "out", "--max-quarantine", "0.1") == 0


def test_a_folder_that_is_no_dataset_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(tmp_path)]) == 3
    assert "manifest.json" in capsys.readouterr().err
