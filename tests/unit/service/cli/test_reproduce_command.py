"""`tandem reproduce`: from photos to figures, files and a table, and what it says of photos it cannot use."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.shards.manifest import Manifest
from service.cli.errors import BadArgumentsError
from service.cli.main import run
from service.cli.reproduce import parse_seeds
from service.reproduction.photos import PhotoSelection, prepare_photos

COUNTS = {"train": 36, "test": 4}
CLASSES = ("dark", "light")


def photo(seed: int, brightness: int) -> bytes:
    """Noise around a brightness: a class that any network can tell from the other."""
    pixels = np.random.default_rng(seed).normal(brightness, 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_photos(folder: Path, splits: tuple[str, ...] = ("train", "test")) -> Path:
    seed = 0
    for split in splits:
        for class_id, brightness in zip(CLASSES, (70, 180), strict=True):
            (folder / split / class_id).mkdir(parents=True)
            for number in range(COUNTS[split]):
                (folder / split / class_id / f"{number:03d}.png").write_bytes(photo(seed, brightness))
                seed += 1
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "shades")


@pytest.fixture(scope="module")
def reproduce(ray_here: None, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Runs a claim's form on the photos, which are prepared once; returns the results' folder."""
    cache = tmp_path_factory.mktemp("cache")

    def run_claim(claim: str, *options: str, form: tuple[str, ...] = ("--quick",)) -> Path:
        out = tmp_path_factory.mktemp("out") / claim
        arguments = ["reproduce", claim, *form, "--data", str(photos), "--out", str(out)]
        assert run([*arguments, "--cache", str(cache), "--threads", "1", *options]) == 0
        return out

    return run_claim


def result_in(out: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    return result


def figures_of(result: dict[str, Any]) -> list[Any]:
    return [[(run["seed"], run["curve"], run["figures"]) for run in arm["runs"]] for arm in result["arms"]]


def test_a_claim_leaves_a_table_a_plot_and_all_that_it_was_made_from(
    reproduce: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = reproduce("relu", "--seeds", "3,")
    printed = capsys.readouterr().out
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")
    result = result_in(out)
    assert (result["claim"], result["form"], result["seeds"], result["threads"]) == ("relu", "quick", [3], 1)
    assert (result["photos"]["train"], result["photos"]["test"], result["photos"]["classes"]) == (72, 8, 2)
    assert {"python", "torch", "numpy"} <= set(result["versions"])
    relu, tanh = result["arms"]
    assert (relu["name"], relu["model"]["activation"]) == ("ReLU", "relu")
    assert (tanh["name"], tanh["model"]["activation"]) == ("tanh", "tanh")
    for arm in (relu, tanh):
        assert arm["model"]["lrn"] is False
        assert arm["recipe"]["weight_decay"] == 0
        assert not any(arm["recipe"][switch] for switch in ("random_crop", "flip", "colour_noise"))
        (run_of_arm,) = arm["runs"]
        first, *_, last = run_of_arm["curve"]
        # Two shades are learnt at once, and what is learnt is trained no further.
        assert first["epoch"] == 0
        assert last["train_error"] <= 0.25
        assert run_of_arm["seconds"] > 0
        epochs = run_of_arm["figures"]["epochs to 25 % train error"]["value"]
        rate = arm["recipe"]["learning_rate"]
        assert [arm["name"], f"{rate:g}", f"{epochs:.1f}"] in [
            line.split()[:3] for line in printed.splitlines()
        ]
    (comparison,) = result["comparisons"]
    assert comparison["paper"] == "6×"
    assert comparison["shown"] is result["direction_shown"]
    assert "P §3.1" in printed
    assert "6×" in printed


def test_the_same_seed_gives_the_same_figures_and_another_gives_others(
    reproduce: Callable[..., Path],
) -> None:
    first, again, other = (
        figures_of(result_in(reproduce("relu", "--seeds", seed))) for seed in ("0,", "0,", "1,")
    )
    assert first == again
    assert [curve for ((_, curve, _),) in first] != [curve for ((_, curve, _),) in other]


def test_each_arm_takes_the_rate_that_is_first_to_arrive_and_tries_no_other_for_longer(
    reproduce: Callable[..., Path],
) -> None:
    relu, tanh = result_in(reproduce("relu", "--seeds", "2", form=()))["arms"]
    for arm, rates in ((relu, [0.001, 0.0005, 0.002]), (tanh, [0.005, 0.0025, 0.01])):
        trials = {trial["learning_rate"]: trial for trial in arm["learning_rate_trials"]}
        assert list(trials) == rates
        assert {trial["seed"] for trial in trials.values()} == {0}
        taken = trials[arm["recipe"]["learning_rate"]]
        first, second = arm["runs"]
        assert first["curve"] == taken["curve"] != second["curve"]
        assert taken["curve"][-1]["train_error"] <= 0.25
        later = rates[rates.index(arm["recipe"]["learning_rate"]) :]
        assert all(len(trials[rate]["curve"]) <= len(taken["curve"]) for rate in later)
        arrived = [trial for trial in trials.values() if trial["curve"][-1]["train_error"] <= 0.25]
        assert min(len(trial["curve"]) for trial in arrived) == len(taken["curve"])


def test_json_is_what_the_file_holds(
    reproduce: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = reproduce("relu", "--seeds", "2", "--json")
    assert json.loads(capsys.readouterr().out) == result_in(out)
    assert result_in(out)["seeds"] == [0, 1]


@pytest.mark.parametrize("missing", ["train", "test"])
def test_photos_without_a_split_are_refused_in_one_line_that_says_what_to_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    kept = "test" if missing == "train" else "train"
    write_photos(tmp_path / "photos", (kept,))
    arguments = ["reproduce", "relu", "--quick", "--data", str(tmp_path / "photos")]
    assert run([*arguments, "--out", str(tmp_path / "out")]) == 3
    error = capsys.readouterr().err
    assert f"has no photos in {missing}/: give a folder or a tar" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [None, b"", b"no tar at all" * 100])
def test_a_source_that_is_missing_or_no_tar_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "photos.tar"
    if content is not None:
        path.write_bytes(content)
    assert run(["reproduce", "lrn", "--data", str(path), "--out", str(tmp_path / "out")]) == 3
    error = capsys.readouterr().err
    assert str(path) in error
    assert "give a folder or a tar" in error
    assert error.count("\n") == 1


def test_fewer_photos_than_a_batch_are_refused(
    ray_here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = write_photos(tmp_path / "photos")
    for number in range(10):
        (photos / "train" / "dark" / f"{number:03d}.png").unlink()
    assert run(["reproduce", "relu", "--quick", "--data", str(photos), "--out", str(tmp_path / "out")]) == 3
    assert "is more than the 62 samples" in capsys.readouterr().err


def tarred(photos: Path, path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as tar:
        tar.add(photos, "shades")
    return path


@pytest.mark.parametrize(("name", "mode"), [("shades.tar", "w"), ("shades.tar.xz", "w:xz")])
def test_a_tar_gives_the_same_dataset_as_its_folder(
    ray_here: None, photos: Path, tmp_path: Path, name: str, mode: str
) -> None:
    sources = (photos, tarred(photos, tmp_path / name, mode))
    checksums = []
    for data in sources:
        selection = PhotoSelection(data, image_size=40, train_per_class=None, test_per_class=3)
        list(prepare_photos(selection, tmp_path, workers=1))
        manifest = Manifest.load(tmp_path / selection.dataset_name)
        assert manifest.image_size == 40
        assert {split: part.num_samples for split, part in manifest.splits.items()} == {"train": 72, "val": 6}
        checksums.append([shard.xxh3_128 for part in manifest.splits.values() for shard in part.shards])
    assert checksums[0] == checksums[1]


def test_a_dataset_is_made_again_only_when_its_photos_changed(ray_here: None, tmp_path: Path) -> None:
    data = write_photos(tmp_path / "photos")
    selection = PhotoSelection(data, image_size=32, train_per_class=5, test_per_class=None)
    made = []
    for change in (False, False, True):
        if change:
            (data / "train" / "dark" / "000.png").write_bytes(photo(99, 70) + b"more")
        list(prepare_photos(selection, tmp_path / "cache", workers=1))
        made.append(Manifest.load(tmp_path / "cache" / selection.dataset_name).created_at)
    assert made[0] == made[1] < made[2]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [selection.dataset_name]


def test_seeds_are_a_number_of_them_or_a_list() -> None:
    assert parse_seeds("3") == (0, 1, 2)
    assert parse_seeds("4,2") == (4, 2)
    assert parse_seeds("7,") == (7,)


@pytest.mark.parametrize("text", ["0", "-1", "1,1", "1,-2", "a", "1,,2", ""])
def test_seeds_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(BadArgumentsError, match="--seeds"):
        parse_seeds(text)


def test_without_a_source_photos_nearby_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shared" / "data").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert run(["reproduce", "relu", "--quick"]) == 2
    assert "--data" in capsys.readouterr().err
    (tmp_path / "shared" / "data" / "cifar10.tar.xz").write_bytes(b"no tar")
    assert run(["reproduce", "relu", "--quick"]) == 3
    assert "cifar10.tar.xz is no tar" in capsys.readouterr().err
