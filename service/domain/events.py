"""What happens to a job, in order, and the lines a job writes about itself while it works."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class EventKind(StrEnum):
    STATE = "state"
    PROGRESS = "progress"
    EPOCH = "epoch"
    CHECKPOINT = "checkpoint"
    WARNING = "warning"
    LOG = "log"
    END = "end"


class Event(BaseModel):
    """One entry of a job's history. `sequence` starts at 1 and has no gaps."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    kind: EventKind
    at: str
    data: dict[str, Any]


class Line(BaseModel):
    """One line of a job's own files, written by the job and read by the control plane."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str


class StepLine(Line):
    """`progress.jsonl` of a run: the training as of one step. Errors are fractions in [0, 1].

    `wait_share` is the share of rank 0's time lately that it waited for batches; `corrupt_samples` are the
    damaged photos that all ranks have left out since the attempt began.
    """

    epoch: int
    step: int
    total_steps: int
    loss: float
    learning_rate: float
    images_per_second: float
    eta_seconds: float | None
    num_workers: int
    wait_share: float
    corrupt_samples: int


class PrepareLine(Line):
    """`progress.jsonl` of a preparation."""

    photos_done: int
    photos_total: int
    quarantined: int
    shards_done: int
    shards_total: int
    photos_per_second: float | None
    eta_seconds: float | None


class IndexLine(Line):
    """`progress.jsonl` of an indexing."""

    photos_done: int
    photos_total: int
    photos_per_second: float | None
    eta_seconds: float | None


class EpochLine(Line):
    """`events.jsonl`: an epoch is over and validated."""

    kind: Literal["epoch"] = "epoch"
    epoch: int
    step: int
    train_loss: float | None
    val_loss: float
    val_top1_error: float
    val_top5_error: float
    val_samples: int
    seconds: float


class CheckpointLine(Line):
    """`events.jsonl`: a checkpoint is whole and durable."""

    kind: Literal["checkpoint"] = "checkpoint"
    name: str
    epoch: int
    step: int


class WarningLine(Line):
    """`events.jsonl`: the run goes on, but its owner should look at it; `message` says what to try."""

    kind: Literal["warning"] = "warning"
    code: str
    message: str


class FailureLine(Line):
    """`events.jsonl`: a worker fell; Ray Train may start its group again."""

    kind: Literal["failure"] = "failure"
    rank: int | None
    message: str
