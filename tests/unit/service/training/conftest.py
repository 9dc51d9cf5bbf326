"""A small dataset, and runs on it whose training happens in the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun
from service.domain.spec import CheckpointSpec, ModelSpec, RecipeSpec, RunSpec


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def run_on() -> Callable[..., tuple[JobFolder, ResolvedRun]]:
    """Lays out the folder of a run of the tiny network on one worker, batches of 4."""

    def lay_out(
        home: Path, dataset: Path, recipe: str, *, every_steps: int = 500, **overrides: Any
    ) -> tuple[JobFolder, ResolvedRun]:
        run = ResolvedRun(
            run_id="run-1",
            spec=RunSpec(
                dataset="photos",
                model=ModelSpec(preset="alexnet-tiny"),
                recipe=RecipeSpec(preset=recipe),
                checkpoint=CheckpointSpec(every_steps=every_steps),
            ),
            model=ModelConfig.preset("alexnet-tiny", num_classes=2, **RecipeConfig.network_switches(recipe)),
            recipe=RecipeConfig.preset(recipe, global_batch_size=4, **overrides),
            dataset=DatasetPin(name="photos", path=str(dataset), checksum=Manifest.load(dataset).checksum),
            allocation=Allocation(num_workers=1, cpus_per_worker=1, gpus_per_worker=0, min_workers=1),
            versions={},
        )
        folder = JobFolder(home / run.run_id)
        folder.create(run.model_dump(mode="json"))
        return folder, run

    return lay_out
