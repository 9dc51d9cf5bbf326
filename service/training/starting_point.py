"""What a run's network is before its first step."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from model.checkpoint import load_weights
from model.checkpoint_record import verify_file
from model.learning.initialize import starting_parameters
from model.published import WEIGHTS_FILE, PublishedModel
from pipeline.storage.local_folder import LocalFolder
from service.domain.resolved_run import ResolvedRun, StartPin


def starting_point(run: ResolvedRun, *, goes_on: bool) -> dict[str, Tensor]:
    """Canonical tensors, alike on every rank: the recipe's, and in their places those of a published model.

    Of a model with another number of classes the output layer is the recipe's. A run that goes on from a
    checkpoint needs no model. Raises BadCheckpointError for a model that is gone, damaged, or another
    than when the run was made.
    """
    start = starting_parameters(run.model, run.recipe.initialization, run.spec.seed)
    if run.start is None or goes_on:
        return start
    published = _published(run.start)
    return start | {
        name: tensor
        for name, tensor in published.items()
        if name not in start or tensor.shape == start[name].shape
    }


def _published(pin: StartPin) -> dict[str, Tensor]:
    with LocalFolder(Path(pin.path)) as model:
        weights = model.path / WEIGHTS_FILE
        verify_file(weights, pin.weights_sha256)
        tensors, _ = load_weights(weights, PublishedModel.load(model.path).architecture)
    return tensors
