"""A checkpoint read from disk: verified, its weights the same whatever the placement, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from model.checkpoint_record import MEAN_IMAGE, OPTIMIZER_FILE, CheckpointRecord
from model.config import ModelConfig
from model.errors import BadCheckpointError
from model.learning.trainer import Trainer, TrainerState
from model.network.alexnet import AlexNet
from model.network.architecture import layers_of
from model.network.canonical import canonical_parameter_shapes, canonical_shapes
from model.published import WEIGHTS_FILE


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
    # A tensor of the file holds all of it in memory.
    return tensors, mean_image.clone()


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
