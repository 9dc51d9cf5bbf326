"""What a checkpoint says of itself: checkpoint.json, and the names of the files beside it. Import-light."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from model.config import ModelConfig
from model.errors import BadCheckpointError

DESCRIPTION_FILE: Final = "checkpoint.json"
WEIGHTS_FILE: Final = "weights.safetensors"
OPTIMIZER_FILE: Final = "optimizer.safetensors"


class CheckpointDescription(BaseModel):
    """`trainer` is what `Trainer.state_dict` gave; `metrics` the newest validation's, empty before the first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    architecture: ModelConfig
    step: int
    epoch: int
    trainer: dict[str, Any]
    metrics: dict[str, float]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises `BadCheckpointError` when there is none, or none that makes sense."""
        path = folder / DESCRIPTION_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadCheckpointError(str(path), f"cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise BadCheckpointError(str(path), f"damaged or too new: {error.errors()[0]['msg']}") from error
