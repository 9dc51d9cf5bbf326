"""What the API answers, typed: made by its routes and read by its client."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from model.learning.recipe import RecipeConfig
from service.domain.failure import Failure
from service.domain.job import Attempt
from service.domain.state import JobState


class Answer(BaseModel):
    """Fields that a newer server adds are ignored by an older client."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RunProgress(Answer):
    """How far a run is; None where nothing is known yet. Errors are fractions in [0, 1], the newest epoch's
    but for the best."""

    epoch: int | None = None
    step: int | None = None
    total_steps: int | None = None
    images_per_second: float | None = None
    eta_seconds: float | None = None
    num_workers: int | None = None
    loss: float | None = None
    val_top1_error: float | None = None
    val_top5_error: float | None = None
    best_val_top1_error: float | None = None


class Checkpoint(Answer):
    name: str
    step: int
    size_bytes: int


class Run(Answer):
    """A training run; `spec` is what was asked for.

    A run that failed has a `failure`, and one that is queued a `queue_position`, 1 for the next to start.
    """

    id: str
    name: str | None = None
    state: JobState
    reason: str | None = None
    failure: Failure | None = None
    queue_position: int | None = None
    spec: dict[str, Any]
    progress: RunProgress
    attempts: list[Attempt] = []
    checkpoints: list[Checkpoint] = []
    created_at: str
    finished_at: str | None = None


class CheckpointList(Answer):
    """Oldest first."""

    items: list[Checkpoint]


class FilterPictures(Answer):
    """The first layer's kernels as they were at one step: a picture for each tower, from tower 0 on."""

    step: int
    towers: int


class FilterList(Answer):
    """Oldest first."""

    items: list[FilterPictures]


class MetricList(Answer):
    """What was measured at logged steps, in the order of steps."""

    items: list[dict[str, Any]]


class LogLines(Answer):
    """What a run's processes wrote last, oldest first."""

    lines: list[str]


class RunPage(Answer):
    """Runs, newest first, and where the next page starts; None on the last."""

    items: list[Run]
    next_cursor: str | None


class ModelPreset(Answer):
    """A network as the paper has it: its size, and the switches that a run may set otherwise.

    `image_size` is that of the photos it wants, `input_size` that of the view it is shown, sides in pixels.
    """

    network: str
    towers: int
    image_size: int
    input_size: int
    activation: str
    lrn: bool
    norm: str
    pooling: str
    exchange: bool
    dropout: float


class RecipePreset(RecipeConfig):
    """Each field of a recipe; `model` has the switches of the network that it brings."""

    model_config = ConfigDict(extra="ignore")

    model: dict[str, Any]


class Presets(Answer):
    """What a run's model and recipe may be named, and what each name stands for."""

    models: dict[str, ModelPreset]
    recipes: dict[str, RecipePreset]


class PreparationProgress(Answer):
    """How far a preparation is; None where nothing is known yet."""

    photos_done: int | None = None
    photos_total: int | None = None
    quarantined: int | None = None
    shards_done: int | None = None
    shards_total: int | None = None
    photos_per_second: float | None = None
    eta_seconds: float | None = None


class Dataset(Answer):
    """A dataset and the preparation that makes it; `manifest` is there once it is whole.

    `spec` is what was asked for; None where nobody asked this service.
    """

    name: str
    state: JobState
    reason: str | None = None
    spec: dict[str, Any] | None = None
    progress: PreparationProgress = PreparationProgress()
    manifest: dict[str, Any] | None = None


class DatasetList(Answer):
    items: list[Dataset]


class QuarantinedPhoto(Answer):
    """A photo that could not be used, and why.

    `label` is the index of its class. In a path, bytes that are no text are escapes: `\\udce9`.
    """

    path: str
    split: str
    label: int
    reason: str
    detail: str


class QuarantinePage(Answer):
    """Photos in quarantine, by path; `total` counts all, and `next_after` is None on the last page."""

    items: list[QuarantinedPhoto]
    total: int
    next_after: int | None


class ModelVersion(Answer):
    """One published version of a model: the run and step it comes from, and how well it did."""

    name: str
    version: int
    created_at: datetime
    network: str
    run_id: str
    step: int
    dataset: str
    metrics: dict[str, Any]
    weights_sha256: str


class IndexProgress(Answer):
    """How far an indexing is; None where nothing is known yet."""

    photos_done: int | None = None
    photos_total: int | None = None
    photos_per_second: float | None = None
    eta_seconds: float | None = None


class ModelIndex(Answer):
    """The index of a version's training photos, in which photos that are alike are looked for."""

    state: JobState
    reason: str | None = None
    progress: IndexProgress


class Model(Answer):
    """A published model: its versions, oldest first, and the version each alias means."""

    name: str
    versions: list[ModelVersion]
    aliases: dict[str, int]


class ModelList(Answer):
    items: list[Model]


class Readiness(Answer):
    """Whether all parts answer; `checks` has "ok" for each that does, and for the others what is wrong."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
