"""A training as of one step, in a folder: safetensors and JSON, whole or not there at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.checkpoint_description import (
    DESCRIPTION_FILE,
    OPTIMIZER_FILE,
    WEIGHTS_FILE,
    CheckpointDescription,
)
from model.errors import BadCheckpointError
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.canonical import canonical_state, load_canonical

MEAN_IMAGE = "mean_image"


def save_checkpoint(
    folder: Path, network: AlexNet, trainer: Trainer, *, mean_image: Tensor, metrics: dict[str, float]
) -> None:
    """Writes a checkpoint beside its place, syncs it and renames it there.

    `mean_image` float32 [S, S, 3] goes with the weights: whoever classifies subtracts it.
    """
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside.mkdir(parents=True)
    try:
        weights = {**canonical_state(network), MEAN_IMAGE: mean_image.contiguous()}
        save_file(weights, aside / WEIGHTS_FILE)
        velocities = _velocities(network, trainer)
        save_file({name: values.contiguous() for name, values in velocities.items()}, aside / OPTIMIZER_FILE)
        description = CheckpointDescription(
            architecture=network.config,
            step=trainer.step,
            epoch=trainer.position.epoch,
            trainer=trainer.state_dict(),
            metrics=metrics,
        )
        (aside / DESCRIPTION_FILE).write_text(description.model_dump_json(indent=2) + "\n")
        for path in (*aside.iterdir(), aside):
            _sync(path)
        aside.rename(folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def load_checkpoint(folder: Path, network: AlexNet, trainer: Trainer) -> CheckpointDescription:
    """Puts a training back where a checkpoint left it, and returns what the checkpoint says of itself.

    Raises `BadCheckpointError` for a checkpoint that is damaged or belongs to another network.
    """
    description = CheckpointDescription.load(folder)
    load_canonical(network, read_tensors(folder / WEIGHTS_FILE), str(folder))
    velocities = read_tensors(folder / OPTIMIZER_FILE)
    for name, velocity in _velocities(network, trainer).items():
        if name not in velocities or velocities[name].shape != velocity.shape:
            raise BadCheckpointError(str(folder), f"its optimizer has no {name} of this network")
        velocity.copy_(velocities[name])
    trainer.load_state_dict(description.trainer)
    return description


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file; raises `BadCheckpointError` when it is missing, truncated or something else."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadCheckpointError(str(path), f"not a whole safetensors file: {error}") from error


def _velocities(network: AlexNet, trainer: Trainer) -> dict[str, Tensor]:
    """The optimiser's own tensors, under the names of the parameters they belong to."""
    names = [name for name, _ in network.named_parameters()]
    return dict(zip(names, trainer.optimizer.velocities, strict=True))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
