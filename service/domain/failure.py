"""Why a job failed, told so that its owner knows what to do."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Failure(BaseModel):
    """`reason` is a stable code: oom, worker_lost, data_corrupt, diverged, infeasible, code_error, job_lost.

    `rank` is of the worker it happened to, `last_checkpoint` what a resume would go on from, and `log` the
    last lines that the job's processes wrote.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: str
    message: str
    rank: int | None = None
    hint: str | None = None
    last_checkpoint: str | None = None
    log: list[str] = []
