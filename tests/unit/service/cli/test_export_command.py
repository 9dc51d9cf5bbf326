"""`tandem export` finds a model by name or folder, and says what it tried the file on and what is wrong."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from model.checkpoint_record import MEAN_IMAGE
from model.classifier import Classifier
from model.config import ModelConfig
from model.export.portable import PortableModel
from model.learning.initialize import starting_parameters
from model.published import (
    WEIGHTS_FILE,
    ColourStatistics,
    DatasetOrigin,
    Label,
    PublishedModel,
    sha256_of,
)
from pipeline.batches.reader import SplitReader
from pipeline.photos.decode import square_photo
from pipeline.shards.manifest import Manifest
from service.cli.export_photos import COUNT, export_photos
from service.cli.main import run
from service.store.models import ModelStore

CLASSES = ("amber", "blue", "coral")
VAL_PHOTOS = 6
AS_TORCHSCRIPT = ["--format", "torchscript"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two versions of the model `colours`, the first in production; commands run beside it."""
    home = tmp_path / "home"
    monkeypatch.setenv("TANDEM_HOME", str(home))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    store = ModelStore(home / "models")
    for seed in (1, 2):
        publish(store, seed)
    store.set_alias("colours", "production", 1)
    return home


def publish(store: ModelStore, seed: int) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=len(CLASSES))
    mean_image = torch.full((72, 72, 3), 115.0)
    with store.candidate() as folder:
        save_file(
            starting_parameters(config, "fan-in", seed) | {MEAN_IMAGE: mean_image}, folder / WEIGHTS_FILE
        )
        description = PublishedModel(
            name="colours",
            version=0,
            created_at=datetime.now(UTC),
            architecture=config,
            image_size=72,
            labels=tuple(Label(index=i, id=class_id, name=class_id) for i, class_id in enumerate(CLASSES)),
            statistics=ColourStatistics(
                channel_mean=(115.0, 115.0, 115.0),
                pca_eigenvalues=(3.0, 2.0, 1.0),
                pca_eigenvectors=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
            ),
            dataset=DatasetOrigin(name="colours", checksum="00"),
            metrics={},
            run_id="r",
            step=seed,
            weights_sha256=sha256_of(folder / WEIGHTS_FILE),
        )
        store.adopt(folder, description)


def save_photos(folder: Path, count: int) -> list[Path]:
    random = np.random.default_rng(count)
    folder.mkdir(parents=True)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path in paths:
        blots = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        blots.resize((80, 72), Image.Resampling.BICUBIC).save(path)
    return paths


def exported(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `tandem export --json` answers."""
    assert run(["export", *arguments, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def refused(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """What `tandem export` says in its one line, having written nothing to stdout."""
    assert run(["export", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def weights_in(path: str) -> bytes:
    """The output layer's bytes, by which a version's file is told from another's."""
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.load"):
        loaded = torch.jit.load(path)  # type: ignore[no-untyped-call]
    values: bytes = dict(loaded.named_parameters())["network.towers.0.fc8.weights.0"].numpy().tobytes()
    return values


def output_weights(seed: int) -> bytes:
    config = ModelConfig.preset("alexnet-tiny", num_classes=len(CLASSES))
    return starting_parameters(config, "fan-in", seed)["fc8.weight"].numpy().tobytes()


def test_a_models_name_stands_for_its_version_in_production(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = exported(["colours", "--format", "onnx"], capsys)
    here = Path.cwd()
    assert answer == {
        "file": str(here / "colours-1.onnx"),
        "format": "onnx",
        "size_bytes": (here / "colours-1.onnx").stat().st_size,
        "model": "colours",
        "version": 1,
        "image_size": 72,
        "check": {
            "photos": [{"count": 100, "origin": "synthetic, from seed 0"}],
            "greatest_difference": pytest.approx(0, abs=1e-5),
            "tolerance": 1e-4,
            "same_top5": 100,
        },
    }
    assert list(here.iterdir()) == [here / "colours-1.onnx"]
    session = onnxruntime.InferenceSession(answer["file"], providers=["CPUExecutionProvider"])
    photos = np.random.default_rng(1).integers(0, 256, (3, 72, 72, 3), dtype=np.uint8)
    (found,) = session.run(None, {"photos": photos})
    expected = Classifier.load(home / "models/colours/1").probabilities(photos)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_onnx_export_says_nothing_of_torchs_insides(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "colours", "--format", "onnx", "--out", "a.onnx"]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    first, second, third = printed.out.splitlines()
    assert first.startswith("colours version 1: a.onnx (")
    assert second == "tried on 100 photos: 100 synthetic, from seed 0"
    assert third.startswith("greatest difference of a probability ")


@pytest.mark.parametrize(
    ("arguments", "version"),
    [
        (["colours", "--version", "2"], 2),
        (["colours", "--version", "production"], 1),
        (["{home}/models/colours/2"], 2),
    ],
)
def test_a_version_is_named_by_number_alias_or_folder(
    arguments: list[str], version: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [each.format(home=home) for each in arguments]
    answer = exported([*arguments, *AS_TORCHSCRIPT], capsys)
    assert answer["version"] == version
    assert answer["file"] == str(Path.cwd() / f"colours-{version}.pt")
    assert weights_in(answer["file"]) == output_weights(seed=version)


def test_photos_of_a_folder_are_tried_and_what_is_no_photo_passed_over(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    paths = save_photos(folder / "deeper", 4)
    (folder / "words.txt").write_text("words")
    answer = exported(["colours", *AS_TORCHSCRIPT, "--photos", str(folder)], capsys)
    assert answer["check"]["photos"] == [
        {"count": 4, "origin": f"from {folder}"},
        {"count": 96, "origin": "synthetic, from seed 0"},
    ]
    published = PublishedModel.load(home / "models/colours/1")
    tried = export_photos(published, home / "datasets", folder).pixels
    assert (tried.shape, tried.dtype) == ((COUNT, 72, 72, 3), np.uint8)
    np.testing.assert_array_equal(tried[:4], [square_photo(path.read_bytes(), 72) for path in paths])
    # Synthetic ones are of one seed, and no two alike.
    again = export_photos(published, home / "datasets", folder).pixels
    np.testing.assert_array_equal(tried, again)
    assert len({photo.tobytes() for photo in tried}) == COUNT


def test_of_many_photos_the_first_hundred_are_tried(home: Path, tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", COUNT + 2)
    tried = export_photos(
        PublishedModel.load(home / "models/colours/1"), home / "datasets", tmp_path / "photos"
    )
    assert tried.origins == [(COUNT, f"from {tmp_path / 'photos'}")]
    np.testing.assert_array_equal(tried.pixels[-1], square_photo(paths[COUNT - 1].read_bytes(), 72))


@pytest.fixture
def trained_on(home: Path, ray_here: None, tmp_path: Path) -> Path:
    """A dataset in the home, and the model's first version said to be trained on it."""
    for class_id in CLASSES:
        save_photos(tmp_path / "source" / "train" / class_id, 3)
        save_photos(tmp_path / "source" / "val" / class_id, VAL_PHOTOS // len(CLASSES))
    dataset = home / "datasets" / "colours"
    options = ["--image-size", "72", "--write-mode", "raw", "--workers", "1"]
    assert run(["prepare", str(tmp_path / "source"), "--out", str(dataset), *options]) == 0
    folder = home / "models/colours/1"
    origin = DatasetOrigin(name="colours", checksum=Manifest.load(dataset).checksum)
    PublishedModel.load(folder).model_copy(update={"dataset": origin}).save(folder)
    return dataset


def test_the_validation_photos_of_its_dataset_are_tried_if_it_is_what_it_was(
    home: Path, trained_on: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    others = tmp_path / "others"
    save_photos(others, 1)
    options = [*AS_TORCHSCRIPT, "--photos", str(others), "--out", "out.pt"]
    answer = exported(["colours", *options], capsys)
    assert answer["check"]["photos"] == [
        {"count": VAL_PHOTOS, "origin": "validation photos of dataset 'colours'"},
        {"count": COUNT - VAL_PHOTOS, "origin": "synthetic, from seed 0"},
    ]
    published = PublishedModel.load(home / "models/colours/1")
    reader = SplitReader(trained_on, "val")
    stored = [np.frombuffer(reader.stored(place), np.uint8) for place in range(VAL_PHOTOS)]
    tried = export_photos(published, home / "datasets", others).pixels
    np.testing.assert_array_equal(tried[:VAL_PHOTOS].reshape(VAL_PHOTOS, -1), stored)
    # Another dataset may have taken its name.
    answer = exported(["colours", "--version", "2", *options], capsys)
    assert [each["origin"] for each in answer["check"]["photos"]] == [
        f"from {others}",
        "synthetic, from seed 0",
    ]


def test_a_file_that_answers_otherwise_is_not_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    another = PortableModel.load(home / "models/colours/2")
    monkeypatch.setattr(PortableModel, "load", lambda _: another)
    said = refused(["colours", *AS_TORCHSCRIPT], 1, capsys)
    assert "colours-1.pt was not written" in said
    assert "differs from the model by up to 0." in said
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tulips", *AS_TORCHSCRIPT], 3, "no model 'tulips' in {home}/models, and no such folder: it"),
        (["colours", "--version", "9", *AS_TORCHSCRIPT], 3, "has no version 9: it has 1, 2"),
        (["colours", "--version", "best", *AS_TORCHSCRIPT], 3, "has no alias 'best'"),
        (["{home}/models/colours", *AS_TORCHSCRIPT], 3, "model.json is missing"),
        (["{home}/models/colours/1", "--version", "1", *AS_TORCHSCRIPT], 2, "leave it out"),
        (["colours"], 2, "--format"),
        (["colours", "--format", "keras"], 2, "'keras' is not one of 'onnx', 'torchscript'"),
        (["colours", *AS_TORCHSCRIPT, "--photos", "{home}/none"], 3, "--photos: {home}/none is not a folder"),
        (["colours", *AS_TORCHSCRIPT, "--photos", "."], 3, "holds no photo that can be used"),
        (["colours", *AS_TORCHSCRIPT, "--out", "absent/a.pt"], 3, "absent/a.pt: the file cannot be written"),
        (["colours", *AS_TORCHSCRIPT, "--out", "."], 2, "is a folder"),
        (
            ["colours", *AS_TORCHSCRIPT, "--out", "{home}/models/colours/1/weights.safetensors"],
            2,
            "choose another place",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_that_says_why(
    arguments: list[str], code: int, said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sha256_of(home / "models/colours/1" / WEIGHTS_FILE)
    found = refused([each.format(home=home) for each in arguments], code, capsys)
    assert said.format(home=home) in found
    assert list(Path.cwd().iterdir()) == []
    assert sha256_of(home / "models/colours/1" / WEIGHTS_FILE) == before


def test_missing_packages_are_one_line_that_says_what_installs_them(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "model.export.onnx", raising=False)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    said = refused(["colours", "--format", "onnx"], 1, capsys)
    assert "'onnxscript', which is not installed: run pip install" in said


def test_a_damaged_model_is_refused_by_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = home / "models/colours/1" / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-4])
    said = refused(["colours", *AS_TORCHSCRIPT], 3, capsys)
    assert f"{weights}: the file is truncated or damaged" in said


def test_a_home_without_models_is_said_to_hold_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(home)
    assert "it holds none" in refused(["colours", *AS_TORCHSCRIPT], 3, capsys)
