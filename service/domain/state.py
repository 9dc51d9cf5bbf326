"""The states a job (a training run or the preparation of a dataset) goes through."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """`QUEUED` until submitted to Ray; terminal states are never left but by a resume."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    RECOVERING = "recovering"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.STOPPED, JobState.FAILED, JobState.INTERRUPTED})
RESUMABLE = TERMINAL - {JobState.SUCCEEDED}
ACTIVE = frozenset(JobState) - TERMINAL
