"""A checkpoint on disk: whole or not there, its weights the same whatever the placement, never a pickle."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.checkpoint_record import OPTIMIZER_FILE, RECORD_FILE, CheckpointRecord
from model.config import ModelConfig
from model.errors import BadCheckpointError, CheckpointNotSavedError
from model.learning.trainer import Trainer, TrainerState
from model.network.alexnet import AlexNet
from model.network.architecture import layers_of
from model.network.canonical import canonical_parameter_shapes, canonical_shapes
from model.published import WEIGHTS_FILE, sha256_of

MEAN_IMAGE: Final = "mean_image"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: parameters and velocity by canonical name, `mean_image` float32 [S, S, 3]."""

    record: CheckpointRecord
    parameters: dict[str, Tensor]
    velocity: dict[str, Tensor]
    mean_image: Tensor

    def restore(self, network: AlexNet, trainer: Trainer) -> None:
        """Puts a network and its trainer where they stood. Raises BadCheckpointError for another network."""
        if network.config != self.record.architecture:
            raise BadCheckpointError(
                f"step {self.record.step}", f"holds {self.record.architecture!r}, not {network.config!r}"
            )
        network.load_canonical_parameters(self.parameters)
        trainer.load_state_dict(
            TrainerState(
                step=self.record.step,
                epoch=self.record.epoch,
                schedule=self.record.schedule,
                velocity=network.division.from_canonical(self.velocity),
            )
        )


def save_checkpoint(
    folder: Path, network: AlexNet, trainer: Trainer, mean_image: Tensor, metrics: Mapping[str, float]
) -> CheckpointRecord:
    """Writes weights.safetensors, optimizer.safetensors and checkpoint.json, in place of any of that name.

    `mean_image` is float32 [S, S, 3]. The files are written beside `folder`, brought to the disk and renamed:
    nothing half-written bears its name. Raises CheckpointNotSavedError when they cannot be written.
    """
    try:
        return _save(folder, network, trainer, mean_image, metrics)
    except (OSError, SafetensorError) as error:
        raise CheckpointNotSavedError(str(folder), str(error)) from error


def _save(
    folder: Path, network: AlexNet, trainer: Trainer, mean_image: Tensor, metrics: Mapping[str, float]
) -> CheckpointRecord:
    state = trainer.state_dict()
    with _replacing(folder) as unfinished:
        weights = unfinished / WEIGHTS_FILE
        save_file(network.canonical_parameters() | {MEAN_IMAGE: mean_image.cpu().contiguous()}, weights)
        optimizer = unfinished / OPTIMIZER_FILE
        save_file(network.division.to_canonical(state["velocity"]), optimizer)
        record = CheckpointRecord(
            architecture=network.config,
            step=state["step"],
            epoch=state["epoch"],
            schedule=state["schedule"],
            metrics=dict(metrics),
            weights_sha256=sha256_of(weights),
            optimizer_sha256=sha256_of(optimizer),
        )
        (unfinished / RECORD_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return record


def load_checkpoint(folder: Path) -> Checkpoint:
    """Raises BadCheckpointError for a folder that is no checkpoint, or has truncated or foreign files."""
    record = CheckpointRecord.load(folder)
    record.verify(folder)
    parameters, mean_image = load_weights(folder / WEIGHTS_FILE, record.architecture)
    velocity = _load_tensors(folder / OPTIMIZER_FILE)
    layers = layers_of(record.architecture)
    _check_shapes(folder / OPTIMIZER_FILE, velocity, canonical_parameter_shapes(layers), record.architecture)
    return Checkpoint(record, parameters, velocity, mean_image)


def load_weights(path: Path, config: ModelConfig) -> tuple[dict[str, Tensor], Tensor]:
    """Canonical parameters and the mean image, float32 [S, S, 3], from a weights.safetensors.

    Raises BadCheckpointError for a truncated file, or one of another network.
    """
    tensors = _load_tensors(path)
    mean_image = tensors.pop(MEAN_IMAGE, None)
    if mean_image is None or mean_image.ndim != 3:
        raise BadCheckpointError(str(path), f"holds no {MEAN_IMAGE} of shape [S, S, 3]")
    _check_shapes(path, tensors, canonical_shapes(layers_of(config)), config)
    return tensors, mean_image


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise BadCheckpointError(str(path), "the file is missing") from error
    except SafetensorError as error:
        raise BadCheckpointError(str(path), f"not a whole safetensors file: {error}") from error


def _check_shapes(
    path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], config: ModelConfig
) -> None:
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise BadCheckpointError(
                str(path),
                f"{name} is {found.get(name, 'missing')}, and in network={config.network!r} with "
                f"num_classes={config.num_classes} it is {expected.get(name, 'not known')}",
            )


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A new folder to fill; it takes `folder`'s place when it is full, and is gone when filling it failed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    unfinished.mkdir()
    try:
        yield unfinished
        for path in (*unfinished.iterdir(), unfinished):
            _bring_to_disk(path)
        if folder.exists():
            # A folder cannot be renamed onto one that is not empty.
            replaced = unfinished.with_name(unfinished.name + ".replaced")
            folder.rename(replaced)
            unfinished.rename(folder)
            shutil.rmtree(replaced)
        else:
            unfinished.rename(folder)
        _bring_to_disk(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
