"""A job as the control plane knows it: training, preparing a dataset, or indexing a model's photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from service.domain.failure import Failure
from service.domain.job_folder import JobFolder
from service.domain.state import JobState

JobKind = Literal["run", "dataset", "index"]
StopMode = Literal["graceful", "now"]


class Attempt(BaseModel):
    """One submission of a job to Ray."""

    model_config = ConfigDict(frozen=True)

    number: int
    submission_id: str
    started_at: str
    finished_at: str | None = None
    outcome: JobState | None = None
    reason: str | None = None


class Job(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    kind: JobKind
    name: str | None
    state: JobState
    reason: str | None
    failure: Failure | None
    spec: dict[str, Any]
    folder: str
    progress: dict[str, Any]
    attempts: list[Attempt]
    stop_mode: StopMode | None
    stop_deadline: str | None
    created_at: str
    finished_at: str | None
    progress_offset: int
    events_offset: int
    last_sequence: int

    @property
    def work(self) -> JobFolder:
        return JobFolder(Path(self.folder))

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt; None before the first submission."""
        return self.attempts[-1] if self.attempts else None
