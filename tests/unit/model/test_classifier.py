"""A published model classifies as its network does on views cut by hand."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from model.checkpoint_record import MEAN_IMAGE
from model.classifier import Classifier
from model.errors import BadCheckpointError
from model.network.alexnet import AlexNet
from model.published import (
    WEIGHTS_FILE,
    ColourStatistics,
    DatasetOrigin,
    Label,
    PublishedModel,
    sha256_of,
)
from pipeline.errors import UnusablePhotoError

RANDOM = np.random.default_rng(8)
MEAN = RANDOM.uniform(90, 140, size=(72, 72, 3)).astype(np.float32)
PHOTOS = RANDOM.integers(0, 256, size=(3, 72, 72, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, tiny_network: AlexNet) -> Path:
    save_file(
        tiny_network.canonical_parameters() | {MEAN_IMAGE: torch.from_numpy(MEAN)}, tmp_path / WEIGHTS_FILE
    )
    PublishedModel(
        name="blotches",
        version=1,
        created_at=datetime.now(UTC),
        architecture=tiny_network.config,
        image_size=72,
        labels=tuple(Label(index=i, id=f"id{i}", name=f"class {i}") for i in range(4)),
        statistics=ColourStatistics(
            channel_mean=(115.0, 115.0, 115.0),
            pca_eigenvalues=(3.0, 2.0, 1.0),
            pca_eigenvectors=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        ),
        dataset=DatasetOrigin(name="blotches", checksum="00"),
        metrics={},
        run_id="r",
        step=1,
        weights_sha256=sha256_of(tmp_path / WEIGHTS_FILE),
    ).save(tmp_path)
    return tmp_path


def view(photo: NDArray[np.uint8], top: int, left: int, *, mirrored: bool = False) -> NDArray[np.float32]:
    """The 64×64 crop less the mean image there, [3, 64, 64]."""
    rows, columns = slice(top, top + 64), slice(left, left + 64)
    crop = photo[rows, columns].astype(np.float32) - MEAN[rows, columns]
    return (crop[:, ::-1] if mirrored else crop).transpose(2, 0, 1).copy()


def softmax_of(network: AlexNet, views: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The mean over the views of exp(logit) / Σ exp(logit)."""
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(np.stack(views))).double().numpy()
    exponentials = np.exp(logits)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).mean(axis=0)


def png(photo: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    return buffer.getvalue()


def test_one_view_is_the_centre_crop(folder: Path, tiny_network: AlexNet) -> None:
    found = Classifier.load(folder).probabilities(PHOTOS)
    expected = [softmax_of(tiny_network, [view(photo, 4, 4)]) for photo in PHOTOS]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_ten_views_are_averaged(folder: Path, tiny_network: AlexNet) -> None:
    places = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
    expected = [
        softmax_of(
            tiny_network, [view(photo, *place, mirrored=side) for place in places for side in (False, True)]
        )
        for photo in PHOTOS
    ]
    found = Classifier.load(folder).probabilities(PHOTOS, views=10)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_photo_gets_its_classes_most_likely_first(folder: Path) -> None:
    classifier = Classifier.load(folder)
    predictions = classifier.classify(png(PHOTOS[0]), top_k=3)
    probabilities = classifier.probabilities(PHOTOS[:1])[0]
    order = sorted(range(4), key=lambda index: -probabilities[index])[:3]
    assert [prediction.index for prediction in predictions] == order
    assert [prediction.label for prediction in predictions] == [f"class {index}" for index in order]
    assert [prediction.id for prediction in predictions] == [f"id{index}" for index in order]
    assert [prediction.probability for prediction in predictions] == [float(probabilities[i]) for i in order]


@pytest.mark.parametrize(("top_k", "order"), [(1, [1]), (2, [1, 3]), (3, [1, 3, 0]), (4, [1, 3, 0, 2])])
def test_of_classes_that_are_equally_likely_the_first_comes_first(
    folder: Path, top_k: int, order: list[int]
) -> None:
    probabilities_K = np.array([0.2, 0.3, 0.2, 0.3], dtype=np.float32)
    predictions = Classifier.load(folder).most_likely(probabilities_K, top_k)
    assert [prediction.index for prediction in predictions] == order


def test_there_are_no_more_predictions_than_classes(folder: Path) -> None:
    predictions = Classifier.load(folder).classify(png(PHOTOS[0]), top_k=50)
    assert len(predictions) == 4
    assert sum(prediction.probability for prediction in predictions) == pytest.approx(1)


@pytest.mark.parametrize("views", [0, 2, 5])
def test_other_numbers_of_views_are_refused(folder: Path, views: int) -> None:
    with pytest.raises(ValueError, match=f"views={views} is neither 1 nor 10"):
        Classifier.load(folder).probabilities(PHOTOS, views=views)


def test_what_is_no_photo_is_refused(folder: Path) -> None:
    with pytest.raises(UnusablePhotoError):
        Classifier.load(folder).classify(b"GIF of a lie")


def test_damaged_weights_are_refused_by_name(folder: Path) -> None:
    weights = folder / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(BadCheckpointError, match=rf"{WEIGHTS_FILE}: the file is truncated or damaged"):
        Classifier.load(folder)
    weights.unlink()
    with pytest.raises(BadCheckpointError, match=rf"{WEIGHTS_FILE}: the file is missing"):
        Classifier.load(folder)


def test_weights_without_a_mean_image_are_refused(folder: Path, tiny_network: AlexNet) -> None:
    save_file(tiny_network.canonical_parameters(), folder / WEIGHTS_FILE)
    description = PublishedModel.load(folder)
    description.model_copy(update={"weights_sha256": sha256_of(folder / WEIGHTS_FILE)}).save(folder)
    with pytest.raises(BadCheckpointError, match="holds no mean_image"):
        Classifier.load(folder)


def rectified(activations: torch.Tensor) -> torch.Tensor:
    return activations.clamp(min=0)


def normalized_and_pooled(activations: torch.Tensor) -> torch.Tensor:
    """ReLU, then LRN within either half of the channels (P §3.3), then 3×3 maxima at stride 2."""
    halves = []
    for half in rectified(activations).chunk(2, dim=1):
        squares = torch.nn.functional.pad(half**2, (0, 0, 0, 0, 2, 2))
        sums = sum(squares[:, shift : shift + half.shape[1]] for shift in range(5))
        halves.append(half / (2 + 1e-4 * sums) ** 0.75)
    return torch.nn.functional.max_pool2d(torch.cat(halves, dim=1), 3, 2)


def fc7_by_hand(parameters: dict[str, torch.Tensor], views: list[NDArray[np.float32]]) -> torch.Tensor:
    """alexnet-tiny up to fc7, written out in float64 from its table: views [3, 64, 64] → [N, 256]."""
    weights = {name: tensor.double() for name, tensor in parameters.items()}

    def convolve(inputs: torch.Tensor, layer: str, stride: int, padding: int, groups: int) -> torch.Tensor:
        weight, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
        return torch.nn.functional.conv2d(inputs, weight, bias, stride, padding, groups=groups)

    def connect(inputs: torch.Tensor, layer: str) -> torch.Tensor:
        return rectified(inputs @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"])

    images = torch.nn.functional.pad(torch.from_numpy(np.stack(views)).double(), (0, 3, 0, 3))
    maps = normalized_and_pooled(convolve(images, "conv1", 2, 0, 1))
    maps = normalized_and_pooled(convolve(maps, "conv2", 1, 2, 2))
    maps = rectified(convolve(maps, "conv3", 1, 1, 1))
    maps = rectified(convolve(maps, "conv4", 1, 1, 2))
    maps = torch.nn.functional.max_pool2d(rectified(convolve(maps, "conv5", 1, 1, 2)), 3, 2)
    return connect(connect(maps.flatten(1), "fc6"), "fc7")


def test_embeddings_are_fc7s_activations_for_the_centre_view(folder: Path, tiny_network: AlexNet) -> None:
    found = Classifier.load(folder).embeddings(PHOTOS)
    expected = fc7_by_hand(tiny_network.canonical_parameters(), [view(photo, 4, 4) for photo in PHOTOS])
    assert found.dtype == np.float32
    assert found.shape == (3, 256)
    assert (found >= 0).all()
    assert found.std(axis=0).max() > 0.01
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_the_output_layer_makes_of_an_embedding_what_classify_answers(
    folder: Path, tiny_network: AlexNet
) -> None:
    classifier = Classifier.load(folder)
    embedding = classifier.embed(png(PHOTOS[1]))
    np.testing.assert_allclose(embedding, classifier.embeddings(PHOTOS)[1], rtol=1e-4, atol=1e-5)
    parameters = tiny_network.canonical_parameters()
    logits = parameters["fc8.weight"].numpy() @ embedding + parameters["fc8.bias"].numpy()
    exponentials = np.exp(logits.astype(np.float64))
    predictions = classifier.classify(png(PHOTOS[1]), top_k=4)
    assert [prediction.index for prediction in predictions] == np.argsort(-logits).tolist()
    expected = np.sort(exponentials / exponentials.sum())[::-1]
    np.testing.assert_allclose([each.probability for each in predictions], expected, rtol=1e-4)


def test_what_is_no_photo_has_no_embedding(folder: Path) -> None:
    with pytest.raises(UnusablePhotoError):
        Classifier.load(folder).embed(b"GIF of a lie")
