"""model.json, which stands beside a published model's weights. Import-light: the control plane writes it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.config import ModelConfig
from model.errors import BadCheckpointError

MODEL_FILE: Final = "model.json"
WEIGHTS_FILE: Final = "weights.safetensors"

Vector = tuple[float, float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Label(_Strict):
    """A class: its place among the logits, its id in the source, and its name for people."""

    index: int = Field(ge=0)
    id: str
    name: str


class ColourStatistics(_Strict):
    """Of the training split, RGB on the 0–255 scale; eigenvectors are columns, eigenvalues descend."""

    channel_mean: Vector
    pca_eigenvalues: Vector
    pca_eigenvectors: tuple[Vector, Vector, Vector]


class DatasetOrigin(_Strict):
    """The dataset a model was trained on."""

    name: str
    checksum: str


class PublishedModel(_Strict):
    """All there is to know of a published model besides its weights. Versions count from 1; 0 is a candidate.

    `image_size` is the side, in pixels, of the square photos it was trained on; `step` the step of the
    checkpoint that was published. Errors among the metrics are fractions.
    """

    schema_version: Literal[1] = 1
    name: str
    version: int = Field(ge=0)
    created_at: datetime
    architecture: ModelConfig
    image_size: int = Field(ge=1)
    labels: tuple[Label, ...]
    statistics: ColourStatistics
    dataset: DatasetOrigin
    metrics: dict[str, float]
    run_id: str
    step: int = Field(ge=0)
    weights_sha256: str

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BadCheckpointError where model.json is missing or not what it should be."""
        path = folder / MODEL_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise BadCheckpointError(str(folder), f"no published model: {MODEL_FILE} is missing") from error
        except ValidationError as error:
            raise BadCheckpointError(str(path), what_is_wrong(error)) from error

    def save(self, folder: Path) -> None:
        """Writes model.json into a folder that nobody reads yet."""
        (folder / MODEL_FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @model_validator(mode="after")
    def _refuse_nonsense(self) -> Self:
        if [label.index for label in self.labels] != list(range(self.architecture.num_classes)):
            raise ValueError(
                f"labels ({len(self.labels)}) are not one for each of "
                f"architecture.num_classes={self.architecture.num_classes} indices, in order"
            )
        if self.image_size < self.architecture.input_size:
            raise ValueError(
                f"image_size={self.image_size} is less than "
                f"architecture.input_size={self.architecture.input_size}"
            )
        return self


def sha256_of(path: Path) -> str:
    """The file's checksum, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def what_is_wrong(error: ValidationError) -> str:
    """The first of a validation's complaints, in one line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
