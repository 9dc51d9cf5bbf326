"""A run that starts from a published model has its weights, wherever its towers are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from model.config import ModelConfig
from model.errors import BadCheckpointError
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from model.published import (
    WEIGHTS_FILE,
    ColourStatistics,
    DatasetOrigin,
    Label,
    PublishedModel,
    sha256_of,
)
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun, StartPin
from service.training.starting_point import starting_point

RunOn = Callable[..., tuple[JobFolder, ResolvedRun]]


def published(folder: Path, num_classes: int) -> tuple[StartPin, dict[str, Tensor]]:
    """A published model with weights as random as another seed makes them, and those weights."""
    architecture = ModelConfig.preset("alexnet-tiny", num_classes=num_classes)
    network = AlexNet(architecture, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(architecture, "paper", seed=99))
    weights = network.canonical_parameters()
    folder.mkdir()
    save_file(weights | {"mean_image": torch.zeros(72, 72, 3)}, folder / WEIGHTS_FILE)
    checksum = sha256_of(folder / WEIGHTS_FILE)
    PublishedModel(
        name="birds",
        version=3,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        architecture=architecture,
        image_size=72,
        labels=tuple(Label(index=index, id=str(index), name=str(index)) for index in range(num_classes)),
        statistics=ColourStatistics(
            channel_mean=(0.0,) * 3, pca_eigenvalues=(0.0,) * 3, pca_eigenvectors=((0.0,) * 3,) * 3
        ),
        dataset=DatasetOrigin(name="birds", checksum="0" * 32),
        metrics={},
        run_id="run-0",
        step=1,
        weights_sha256=checksum,
    ).save(folder)
    return StartPin(name="birds", version=3, path=str(folder), weights_sha256=checksum), weights


@pytest.mark.parametrize("num_classes", [2, 5])
def test_all_layers_start_as_published_but_an_output_layer_of_other_classes(
    dataset: Path, tmp_path: Path, run_on: RunOn, num_classes: int
) -> None:
    _, run = run_on(tmp_path, dataset, "quick")
    pin, weights = published(tmp_path / "birds", num_classes)
    start = starting_point(run.model_copy(update={"start": pin}), goes_on=False)
    own = starting_parameters(run.model, run.recipe.initialization, run.spec.seed)
    for name, tensor in start.items():
        of_output = name.startswith("fc8.") and num_classes != 2
        assert torch.equal(tensor, own[name] if of_output else weights[name]), name
        assert of_output or name.endswith("bias") or not torch.equal(tensor, own[name])
    network = AlexNet(run.model, Placement.two("cpu", "cpu"))
    network.load_canonical_parameters(start)
    assert torch.equal(network.canonical_parameters()["conv1.weight"], weights["conv1.weight"])


def test_a_run_with_a_checkpoint_does_not_need_the_model_any_more(
    dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    _, run = run_on(tmp_path, dataset, "quick")
    gone = StartPin(name="birds", version=3, path=str(tmp_path / "gone"), weights_sha256="0" * 64)
    started = run.model_copy(update={"start": gone})
    with pytest.raises(BadCheckpointError, match="missing"):
        starting_point(started, goes_on=False)
    assert starting_point(started, goes_on=True).keys() == starting_point(run, goes_on=False).keys()


def test_a_model_whose_weights_changed_since_is_refused(dataset: Path, tmp_path: Path, run_on: RunOn) -> None:
    _, run = run_on(tmp_path, dataset, "quick")
    pin, _ = published(tmp_path / "birds", 2)
    content = bytearray((tmp_path / "birds" / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (tmp_path / "birds" / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(BadCheckpointError, match="checksum is another one"):
        starting_point(run.model_copy(update={"start": pin}), goes_on=False)


def test_without_a_model_it_is_the_recipes(dataset: Path, tmp_path: Path, run_on: RunOn) -> None:
    _, run = run_on(tmp_path, dataset, "quick")
    start = starting_point(run, goes_on=False)
    expected = starting_parameters(run.model, run.recipe.initialization, run.spec.seed)
    assert all(torch.equal(start[name], expected[name]) for name in expected)
