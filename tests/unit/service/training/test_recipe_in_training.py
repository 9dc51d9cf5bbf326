"""What a recipe's table says of colour noise reaches the photos that the network is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.learning.recipe import RecipeConfig
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from pipeline.batches.loader import ShardLoader
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews
from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from pipeline.shards.statistics import Statistics
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun
from service.domain.spec import ModelSpec, RecipeSpec, RunSpec
from service.training.agreement import Agreement, Rank
from service.training.session import Session

BATCH = 4


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Path:
    """Two classes of eight photos, prepared at the tiny network's size."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(16):
        blotches = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        path = root / ("odd" if number % 2 else "even") / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(blotches).resize((90, 90), Image.Resampling.BICUBIC).save(path)
    folder = root.with_name("noise-dataset")
    config = PrepareConfig(image_size=72, workers=1, val_fraction=0.25)
    for _ in prepare(SourceConfig(path=str(root)), folder, config, name="photos"):
        pass
    return folder


def run_of(dataset: Path, **overrides: Any) -> ResolvedRun:
    return ResolvedRun(
        run_id="run-1",
        spec=RunSpec(
            dataset="photos", model=ModelSpec(preset="alexnet-tiny"), recipe=RecipeSpec(preset="original")
        ),
        model=ModelConfig.preset("alexnet-tiny", num_classes=2, **RecipeConfig.network_switches("original")),
        recipe=RecipeConfig.preset("original", global_batch_size=BATCH, **overrides),
        dataset=DatasetPin(name="photos", path=str(dataset), checksum=Manifest.load(dataset).checksum),
        allocation=Allocation(num_workers=1, cpus_per_worker=1, gpus_per_worker=0),
        versions={},
    )


def centre_views(dataset: Path, epoch: int) -> torch.Tensor:
    """The views of an epoch in the order of its steps, had chance no part in them."""
    loader = ShardLoader(dataset, "train", batch_size=BATCH, seed=0)
    loader.set_epoch(epoch)
    views = EvaluationViews(ViewCutter(torch.from_numpy(Statistics.load(dataset).mean_image), 64))
    return torch.cat([views.centre_view(batch.images).clone() for batch in loader])


def test_noise_and_its_divisor_end_with_the_epoch_that_the_table_names(dataset: Path, tmp_path: Path) -> None:
    stages = [
        {"after_epochs": 1, "learning_rate": 0.001},
        {"after_epochs": 2, "learning_rate": 0.001, "colour_noise": False},
    ]
    run = run_of(
        dataset, epochs=3, schedule={"kind": "epochs", "stages": stages}, random_crop=False, flip=False
    )
    folder = JobFolder(tmp_path / "run-1")
    folder.create(run.model_dump(mode="json"))
    network = AlexNet(run.model, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    shown: list[torch.Tensor] = []
    network.register_forward_pre_hook(
        lambda module, inputs: shown.append(inputs[0].clone()) if module.training else None
    )

    assert len(list(Session(folder, run, Agreement(folder, Rank(0, 1)), network, network).epochs())) == 3

    steps = len(shown) // 3
    views = [torch.cat(shown[epoch * steps : (epoch + 1) * steps]) for epoch in range(3)]
    for epoch in (0, 1):
        noise_N3CC = 1.1 * views[epoch] - centre_views(dataset, epoch)
        noise_N3 = noise_N3CC.mean(dim=(2, 3))
        # One colour for a whole photo, and for every photo another.
        torch.testing.assert_close(
            noise_N3CC, noise_N3[:, :, None, None].expand_as(noise_N3CC), atol=1e-3, rtol=0
        )
        assert len(noise_N3.round(decimals=2).unique(dim=0)) == len(noise_N3)
    assert torch.equal(views[2], centre_views(dataset, 2))
