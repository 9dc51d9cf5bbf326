"""`tandem figures` draws a model's kernels, answers and neighbours, and refuses what does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from model.classifier import Classifier
from model.config import ModelConfig
from model.figures.answers import Answer, Bar, answers_figure
from model.figures.filters import filter_mosaic
from model.figures.sheet import pixels_of
from model.learning.initialize import starting_parameters
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from model.published import (
    MODEL_FILE,
    WEIGHTS_FILE,
    ColourStatistics,
    DatasetOrigin,
    Label,
    PublishedModel,
    sha256_of,
)
from model.snapshot import Snapshot
from pipeline.batches.reader import SplitReader
from pipeline.photos.decode import square_photo
from pipeline.shards.manifest import MANIFEST_FILE, Manifest
from pipeline.shards.statistics import Statistics
from service.cli.main import run

CLASSES = ("amber", "blue", "coral")
# More than a batch of the search, and no multiple of it.
TRAIN_PER_CLASS, VAL_PER_CLASS = 45, 2


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def prepared(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos stored as their pixels, so that a test can read them without a decoder."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("photos")
    for split, count in (("train", TRAIN_PER_CLASS), ("val", VAL_PER_CLASS)):
        for class_id in CLASSES:
            (folder / split / class_id).mkdir(parents=True)
            for number in range(count):
                blots = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
                photo = blots.resize((80, 72), Image.Resampling.BICUBIC)
                photo.save(folder / split / class_id / f"{number}.png")
    out = tmp_path_factory.mktemp("datasets") / "colours"
    options = ["--image-size", "72", "--write-mode", "raw", "--workers", "1", "--shard-size", "50"]
    assert run(["prepare", str(folder), "--out", str(out), *options]) == 0
    return out


@pytest.fixture(scope="module")
def checkpoint(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ModelConfig.preset("alexnet-tiny", num_classes=len(CLASSES))
    network = AlexNet(config, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(config, "fan-in", seed=5))
    trainer = Trainer(network, RecipeConfig.preset("quick"), steps_per_epoch=1)
    folder = tmp_path_factory.mktemp("run") / "step-0"
    mean_image = torch.from_numpy(Statistics.load(prepared).mean_image)
    Snapshot.of(network, trainer, mean_image, {}).write(folder)
    return folder


@pytest.fixture(scope="module")
def model(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint, published."""
    folder = tmp_path_factory.mktemp("model")
    shutil.copy(checkpoint / WEIGHTS_FILE, folder)
    PublishedModel(
        name="colours",
        version=1,
        created_at=datetime.now(UTC),
        architecture=ModelConfig.preset("alexnet-tiny", num_classes=len(CLASSES)),
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
        step=0,
        weights_sha256=sha256_of(folder / WEIGHTS_FILE),
    ).save(folder)
    return folder


def pixels_in(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def stored(dataset: Path, split: str) -> tuple[NDArray[np.uint8], list[int], list[int]]:
    """Pixels, labels and sample ids of a split, in the order of its shards."""
    reader = SplitReader(dataset, split)
    photos = [np.frombuffer(reader.stored(place), np.uint8) for place in range(reader.num_samples)]
    pixels = np.stack(photos).reshape(-1, 72, 72, 3)
    return pixels, reader.labels.tolist(), reader.sample_ids.tolist()


def answers_of(model: Path, photos: NDArray[np.uint8], truths: list[int | None]) -> list[Answer]:
    """All three classes of each photo, sorted by hand."""
    answers = []
    for photo, shares, truth in zip(
        photos, Classifier.load(model).probabilities(photos), truths, strict=True
    ):
        best = sorted(range(len(CLASSES)), key=lambda place: -shares[place])
        bars = [Bar(CLASSES[place], float(shares[place]), place == truth) for place in best]
        answers.append(Answer(photo, bars, None if truth is None else CLASSES[truth]))
    return answers


def test_filters_are_the_first_layers_of_a_model_and_of_the_checkpoint_it_came_from(
    model: Path, checkpoint: Path, tmp_path: Path
) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=len(CLASSES))
    weights = starting_parameters(config, "fan-in", seed=5)["conv1.weight"].numpy()
    for folder in (model, checkpoint):
        out = tmp_path / f"{folder.name}.png"
        assert run(["figures", "filters", str(folder), "--out", str(out)]) == 0
        np.testing.assert_array_equal(pixels_in(out), filter_mosaic(weights, towers=2))


def test_answers_to_files_are_drawn_without_a_truth(model: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for seed, path in enumerate(paths):
        pixels = np.random.default_rng(seed).integers(0, 256, (90, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    out = tmp_path / "answers.png"
    assert run(["figures", "answers", str(model), *map(str, paths), "--out", str(out)]) == 0
    photos = np.stack([square_photo(path.read_bytes(), 72) for path in paths])
    expected = pixels_of(answers_figure(answers_of(model, photos, [None, None])))
    np.testing.assert_array_equal(pixels_in(out), expected)


def test_answers_to_validation_photos_know_the_truth(model: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.png"
    options = ["--dataset", str(prepared), "--count", "5", "--out", str(out)]
    assert run(["figures", "answers", str(model), *options]) == 0
    photos, labels, _ = stored(prepared, "val")
    expected = pixels_of(answers_figure(answers_of(model, photos[:5], [*labels[:5]])))
    np.testing.assert_array_equal(pixels_in(out), expected)


def test_neighbours_are_the_nearest_of_all_training_photos(
    model: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "neighbours.png"
    options = ["--dataset", str(prepared), "--queries", "6", "--neighbours", "20", "--out", str(out)]
    assert run(["figures", "neighbours", str(model), *options, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["layer"] == "fc7"
    assert answer["figure"] == str(out)
    assert pixels_in(out).size > 0
    classifier = Classifier.load(model)
    asked, asked_labels, asked_ids = stored(prepared, "val")
    photos, labels, ids = stored(prepared, "train")
    assert len(photos) == len(CLASSES) * TRAIN_PER_CLASS
    embeddings = classifier.embeddings(photos)
    assert [query["sample_id"] for query in answer["queries"]] == asked_ids
    assert [query["label"] for query in answer["queries"]] == asked_labels
    for query, embedding in zip(answer["queries"], classifier.embeddings(asked), strict=True):
        far = ((embeddings.astype(np.float64) - embedding) ** 2).sum(axis=1) ** 0.5
        nearest = sorted(range(len(ids)), key=lambda place: far[place])[:20]
        assert [each["sample_id"] for each in query["neighbours"]] == [ids[place] for place in nearest]
        assert [each["label"] for each in query["neighbours"]] == [labels[place] for place in nearest]
        distances = [each["distance"] for each in query["neighbours"]]
        np.testing.assert_allclose(distances, far[nearest], rtol=1e-3)


def refused(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """What `tandem figures` says in its one line, having written nothing to stdout."""
    assert run(["figures", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("figure", ["filters", "answers", "neighbours"])
def test_a_folder_that_is_no_model_is_refused(
    figure: str, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    empty = tmp_path / "empty"
    empty.mkdir()
    options = [] if figure == "filters" else ["--dataset", str(prepared)]
    said = refused([figure, str(empty), *options, "--out", str(out)], 3, capsys)
    assert f"MODEL_DIR: {empty}: no" in said
    assert MODEL_FILE in said
    assert not out.exists()


def test_damaged_weights_are_refused(
    model: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, sound in (("model", model), ("checkpoint", checkpoint)):
        folder = shutil.copytree(sound, tmp_path / name)
        weights = folder / WEIGHTS_FILE
        weights.write_bytes(weights.read_bytes()[:-4])
        said = refused(["filters", str(folder), "--out", str(tmp_path / "out.png")], 3, capsys)
        assert f"{weights}: the file is truncated or damaged" in said


@pytest.mark.parametrize("figure", ["answers", "neighbours"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_size": 64}, "image_size=64, and the model's at image_size=72"),
        ({"classes": [{"index": 0, "id": "amber", "name": "amber"}]}, "1 classes are not the model's 3"),
        ({"splits": "train alone"}, "no split 'val'"),
    ],
)
def test_a_dataset_that_does_not_fit_the_model_is_refused(
    figure: str,
    change: dict[str, object],
    said: str,
    model: Path,
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dataset = shutil.copytree(prepared, tmp_path / "dataset")
    manifest = json.loads((dataset / MANIFEST_FILE).read_text())
    for split in manifest["splits"].values():
        # Of the classes it had.
        del split["class_counts"]
    if "splits" in change:
        change = {"splits": {"train": manifest["splits"]["train"]}}
    (dataset / MANIFEST_FILE).write_text(json.dumps(manifest | change))
    Manifest.load(dataset)
    out = tmp_path / "out.png"
    arguments = [figure, str(model), "--dataset", str(dataset), "--out", str(out)]
    assert said in refused(arguments, 3, capsys)
    assert not out.exists()


def test_a_file_that_is_no_photo_is_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words.jpg"
    words.write_text("words")
    out = str(tmp_path / "out.png")
    assert f"{words}: not_an_image" in refused(["answers", str(model), str(words), "--out", out], 3, capsys)
    absent = tmp_path / "absent.jpg"
    assert str(absent) in refused(["answers", str(model), str(absent), "--out", out], 3, capsys)


def test_answers_are_either_to_files_or_to_a_dataset(
    model: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for choice in ([], ["a.jpg", "--dataset", str(prepared)]):
        assert "--dataset" in refused(["answers", str(model), *choice, "--out", "out.png"], 2, capsys)


def test_more_photos_than_fit_into_a_figure_are_refused(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [f"{number}.jpg" for number in range(65)]
    assert "65" in refused(["answers", str(model), *photos, "--out", "out.png"], 2, capsys)


def test_a_figure_never_replaces_what_it_is_made_from(
    model: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (80, 80)).save(photo)
    before = photo.read_bytes()
    for arguments, out in [
        (["filters", str(model)], model / WEIGHTS_FILE),
        (["answers", str(model), str(photo)], photo),
        (["neighbours", str(model), "--dataset", str(prepared)], prepared / MANIFEST_FILE),
    ]:
        assert "choose another place" in refused([*arguments, "--out", str(out)], 2, capsys)
    assert photo.read_bytes() == before


def test_a_place_that_cannot_be_written_is_refused_by_name(
    model: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "absent" / "figure.png"
    for arguments in (["filters", str(model)], ["neighbours", str(model), "--dataset", str(prepared)]):
        said = refused([*arguments, "--out", str(out)], 3, capsys)
        assert f"{out}: the picture cannot be written" in said
