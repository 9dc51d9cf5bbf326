"""The models that `bench_serving.py` serves: published as a training would be, of weights drawn by a seed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file

from model.checkpoint_record import MEAN_IMAGE
from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.published import (
    WEIGHTS_FILE,
    ColourStatistics,
    DatasetOrigin,
    Label,
    PublishedModel,
    sha256_of,
)
from service.store.models import ModelStore

NUM_CLASSES: Final = 1000
# ImageNet's, RGB. One colour for all of the mean image: the naive network's users subtract nothing else.
MEAN_COLOUR: Final = (123.7, 116.8, 103.9)


def publish_model(models: Path, preset: str) -> Path:
    """A model of the preset's name below a folder of models; gives its own folder."""
    models.mkdir(parents=True, exist_ok=True)
    store = ModelStore(models)
    architecture = ModelConfig.preset(preset, num_classes=NUM_CLASSES)
    side = architecture.image_size
    with store.candidate() as candidate:
        # Of the paper's starting weights every photo would get the same class.
        tensors = starting_parameters(architecture, "fan-in", seed=0)
        tensors[MEAN_IMAGE] = torch.tensor(MEAN_COLOUR).expand(side, side, 3).contiguous()
        save_file(tensors, candidate / WEIGHTS_FILE)
        described = describe(preset, architecture, sha256_of(candidate / WEIGHTS_FILE))
        published = store.adopt(candidate, described)
    return store.folder(preset, published.version)


def describe(name: str, architecture: ModelConfig, weights_sha256: str) -> PublishedModel:
    return PublishedModel(
        name=name,
        version=0,
        created_at=datetime.now(UTC),
        architecture=architecture,
        image_size=architecture.image_size,
        labels=tuple(
            Label(index=index, id=f"n{index:08d}", name=f"class {index}")
            for index in range(architecture.num_classes)
        ),
        statistics=ColourStatistics(
            channel_mean=MEAN_COLOUR,
            pca_eigenvalues=(3.0, 2.0, 1.0),
            pca_eigenvectors=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        ),
        dataset=DatasetOrigin(name="none", checksum="none"),
        metrics={},
        run_id="none",
        step=0,
        weights_sha256=weights_sha256,
    )
