"""`tandem bench-loader` measures how fast a dataset is read, and says what does not fit together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.cli.main import run

PAGE = 8 * 2**20


@pytest.fixture(scope="module")
def dataset(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos in three shards, so in three pages."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(12):
        path = folder / ("circle", "square")[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    out = tmp_path_factory.mktemp("datasets") / "shapes"
    assert run(["prepare", str(folder), "--out", str(out), "--image-size", "32", "--shard-size", "4"]) == 0
    return out


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--threads", "1", "--crop-size", "8"],
        ["--no-os-cache", "--shuffle", "blocks", "--window", "8", "--cache", "32"],
        ["--verify", "full"],
    ],
)
def test_rates_of_stored_and_augmented_batches_are_told(
    dataset: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert (
        run(["bench-loader", str(dataset), "--batch-size", "4", "--seconds", "0.2", "--json", *options]) == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["benchmark"] == "loader"
    assert answer["machine"]["cpus"] >= 1
    first, batches, augmented = answer["rows"]
    assert (first["name"], batches["name"], augmented["name"]) == (
        "first batch",
        "batches",
        "augmented batches",
    )
    assert first["seconds"] > 0
    assert batches["images_per_second"] > 0
    assert augmented["images_per_second"] > 0


def test_people_are_told_in_words(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench-loader", str(dataset), "--batch-size", "4", "--seconds", "0.1"]) == 0
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()] == ["images/s"] * 2
    assert "first batch after" in printed.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--batch-size", "13"], "batch_size=13 is more than the 12 samples"),
        (["--batch-size", "4", "--crop-size", "33"], "crop_size=33 does not fit into image_size=32"),
        (
            ["--batch-size", "4", "--no-os-cache", "--cache", "16"],
            f"this order needs 3 at once: allow cache_bytes={3 * PAGE}",
        ),
    ],
)
def test_options_that_do_not_fit_the_dataset_are_refused(
    dataset: Path, capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    assert run(["bench-loader", str(dataset), "--seconds", "0.1", *options]) == 2
    printed = capsys.readouterr().err.splitlines()
    assert problem in printed[-1]


def test_folder_that_is_no_dataset_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench-loader", str(tmp_path)]) == 3
    assert "is not a dataset" in capsys.readouterr().err
