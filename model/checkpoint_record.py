"""checkpoint.json: what a checkpoint holds. Import-light: the control plane reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.config import ModelConfig
from model.errors import BadCheckpointError
from model.learning.epoch_loss import NO_STEPS, EpochLoss
from model.published import WEIGHTS_FILE, sha256_of, what_is_wrong

RECORD_FILE: Final = "checkpoint.json"
OPTIMIZER_FILE: Final = "optimizer.safetensors"
MEAN_IMAGE: Final = "mean_image"


class CheckpointRecord(BaseModel):
    """Where training stood, in which network, and the checksums of the tensors beside it.

    `metrics` are the newest validation's, empty before the first; errors are fractions. `epoch_loss` is of
    the epoch that training stood in; a checkpoint of before this was kept has none of its steps.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    schema_version: Literal[1] = 1
    architecture: ModelConfig
    step: int = Field(ge=0)
    epoch: int = Field(ge=0)
    schedule: dict[str, int | float | None]
    metrics: dict[str, float]
    epoch_loss: EpochLoss = NO_STEPS
    weights_sha256: str
    optimizer_sha256: str

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BadCheckpointError where checkpoint.json is missing or not what it should be."""
        path = folder / RECORD_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise BadCheckpointError(str(folder), f"no checkpoint: {RECORD_FILE} is missing") from error
        except ValidationError as error:
            raise BadCheckpointError(str(path), what_is_wrong(error)) from error

    def verify(self, folder: Path) -> None:
        """Raises BadCheckpointError where a file beside the record is missing or not the one recorded."""
        verify_file(folder / WEIGHTS_FILE, self.weights_sha256)
        verify_file(folder / OPTIMIZER_FILE, self.optimizer_sha256)


def verify_file(path: Path, sha256: str) -> None:
    """Raises BadCheckpointError where the file is missing or its checksum another one."""
    if not path.is_file():
        raise BadCheckpointError(str(path), "the file is missing")
    if sha256_of(path) != sha256:
        raise BadCheckpointError(str(path), "the file is truncated or damaged: its checksum is another one")
