"""A training as of one step, and how it becomes a checkpoint on disk: whole or not there, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from model.checkpoint_record import MEAN_IMAGE, OPTIMIZER_FILE, RECORD_FILE, CheckpointRecord
from model.config import ModelConfig
from model.errors import CheckpointNotSavedError
from model.learning.epoch_loss import NO_STEPS, EpochLoss
from model.learning.schedule import ScheduleState
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.published import WEIGHTS_FILE, sha256_of
from model.whole_file import write_whole_file
from model.whole_folder import whole_folder


@dataclass(frozen=True)
class Snapshot:
    """A training in memory of its own, on the CPU: it may be written while the training goes on.

    Parameters and velocity are by canonical name; `mean_image` is float32 [S, S, 3].
    """

    architecture: ModelConfig
    step: int
    epoch: int
    schedule: ScheduleState
    metrics: dict[str, float]
    epoch_loss: EpochLoss
    parameters: dict[str, Tensor]
    velocity: dict[str, Tensor]
    mean_image: Tensor

    @classmethod
    def of(
        cls,
        network: AlexNet,
        trainer: Trainer,
        mean_image: Tensor,
        metrics: Mapping[str, float],
        epoch_loss: EpochLoss = NO_STEPS,
    ) -> Snapshot:
        """Copies what changes with the next step; `mean_image` does not."""
        state = trainer.state_dict()
        return cls(
            architecture=network.config,
            step=state["step"],
            epoch=state["epoch"],
            schedule=state["schedule"],
            metrics=dict(metrics),
            epoch_loss=epoch_loss,
            parameters=network.canonical_parameters(),
            velocity=network.division.to_canonical(state["velocity"]),
            mean_image=mean_image.cpu().contiguous(),
        )

    def write(self, folder: Path) -> CheckpointRecord:
        """Leaves weights.safetensors, optimizer.safetensors and checkpoint.json, in place of what was there.

        They are written beside `folder`, brought to the disk and renamed: nothing half-written bears its
        name. Raises CheckpointNotSavedError when they cannot be written.
        """
        try:
            return self._write(folder)
        except (OSError, SafetensorError) as error:
            raise CheckpointNotSavedError(str(folder), str(error)) from error

    def amend(self, folder: Path) -> CheckpointRecord:
        """Has the checkpoint of this step that is there say what is known by now. Its tensors stay: no step
        has changed them.

        Raises CheckpointNotSavedError when its record cannot be written; it has the one of before then.
        """
        there = CheckpointRecord.load(folder)
        record = self._record(there.weights_sha256, there.optimizer_sha256)
        try:
            write_whole_file(folder / RECORD_FILE, _text_of(record))
        except OSError as error:
            raise CheckpointNotSavedError(str(folder), str(error)) from error
        return record

    def _write(self, folder: Path) -> CheckpointRecord:
        with whole_folder(folder) as unfinished:
            weights, optimizer = unfinished / WEIGHTS_FILE, unfinished / OPTIMIZER_FILE
            save_file(self.parameters | {MEAN_IMAGE: self.mean_image}, weights)
            save_file(self.velocity, optimizer)
            record = self._record(sha256_of(weights), sha256_of(optimizer))
            (unfinished / RECORD_FILE).write_text(_text_of(record), encoding="utf-8")
        return record

    def _record(self, weights_sha256: str, optimizer_sha256: str) -> CheckpointRecord:
        return CheckpointRecord(
            architecture=self.architecture,
            step=self.step,
            epoch=self.epoch,
            schedule=self.schedule,
            metrics=self.metrics,
            epoch_loss=self.epoch_loss,
            weights_sha256=weights_sha256,
            optimizer_sha256=optimizer_sha256,
        )


def _text_of(record: CheckpointRecord) -> str:
    return record.model_dump_json(indent=2) + "\n"
