"""What is known of a failed job, put together while its files are there."""

from __future__ import annotations

from typing import Final

from service.domain.failure import Failure
from service.domain.job import Job
from service.operations.jobs import log_tail

LOG_LINES: Final = 50
# A job that was killed leaves no word of its own.
_SILENT: Final = {
    "reason": "job_lost",
    "hint": "go on from the last checkpoint with: tandem resume RUN; if it ends so again, see its log",
}


def failure_of(job: Job, message: str | None) -> Failure:
    """From the job's own `error.json`; where it left none, `message` is what Ray says of it."""
    error = job.work.read_error() or {**_SILENT, "message": message or "the job failed and left no message"}
    names = job.work.checkpoint_names()
    return Failure(**error, last_checkpoint=names[-1] if names else None, log=log_tail(job, LOG_LINES))
