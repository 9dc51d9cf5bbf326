"""What a published model says of itself: model.json. Import-light: the control plane reads and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from model.config import ModelConfig
from model.errors import BadCheckpointError

MODEL_FILE: Final = "model.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(_Part):
    """A class: the logit it is, its id, and what people call it."""

    index: int
    id: str
    name: str


class PixelStatistics(_Part):
    """Of the training photos, RGB on the 0–255 scale; the mean image itself lies with the weights."""

    channel_mean: tuple[float, float, float]
    pca_eigenvalues: tuple[float, float, float]
    pca_eigenvectors: tuple[tuple[float, float, float], ...]


class TrainedOn(_Part):
    """The dataset, and the checksum of its manifest."""

    name: str
    checksum: str


class PublishedModel(_Part):
    """The whole of model.json. `metrics` are the validation's; errors are fractions in [0, 1]."""

    schema_version: Literal[1] = 1
    name: str
    version: int
    created_at: str
    architecture: ModelConfig
    image_size: int
    labels: tuple[Label, ...]
    statistics: PixelStatistics
    dataset: TrainedOn
    metrics: dict[str, float]
    run_id: str
    step: int
    weights_sha256: str

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises `BadCheckpointError` when there is no model there, or none that makes sense."""
        path = folder / MODEL_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadCheckpointError(str(path), f"cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise BadCheckpointError(str(path), f"damaged or too new: {error.errors()[0]['msg']}") from error

    def save(self, folder: Path) -> None:
        (folder / MODEL_FILE).write_text(self.model_dump_json(indent=2) + "\n")
