"""What every job does around its work: keeps a log that outlives Ray, and leaves the cause when it fails."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from model.errors import ModelError
from pipeline.errors import PipelineError
from service.domain.job_folder import JobFolder, write_json


class Cause(NamedTuple):
    """Why a job failed: a stable code, what happened, and what to try."""

    reason: str
    message: str
    hint: str | None


HINTS = {
    "data_corrupt": "check the dataset with: tandem inspect DIR --verify",
    "diverged": "lower the learning rate or try another seed",
    "plan_changed": "or delete it with DELETE /api/v1/datasets/NAME and prepare it again",
    "cache_too_small": "give the run more loading.cache_bytes, or loading.shuffle=blocks",
    "source_lost": "ask for the same dataset again: what is finished is kept",
    "bad_dataset": "check the dataset with: tandem inspect DIR --verify",
}


@contextmanager
def job(folder: JobFolder) -> Iterator[None]:
    """Runs a job's work: output goes to its log, and a failure leaves `error.json` before it is raised on."""
    _log_to(folder.log)
    # Ray stops a job with an interrupt, which a stack started in the background of a script has it ignore.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except Exception as error:
        record_failure(folder, error, rank=None)
        raise


def record_failure(folder: JobFolder, error: BaseException, rank: int | None) -> None:
    """Writes `error.json`; the first cause written stays, for what follows it is only its consequence."""
    if folder.error.exists():
        return
    cause = _cause_of(error)
    write_json(
        folder.error,
        {
            "rank": rank,
            "type": type(error).__name__,
            **cause._asdict(),
            "traceback": "".join(traceback.format_exception(error)),
        },
    )


def _cause_of(error: BaseException) -> Cause:
    if isinstance(error, (PipelineError, ModelError)):
        return Cause(error.code, str(error), HINTS.get(error.code))
    if isinstance(error, MemoryError):
        return Cause("oom", "out of memory", "use a smaller batch or fewer workers")
    return Cause("code_error", f"{type(error).__name__}: {error}", None)


def _log_to(path: Path) -> None:
    # Ray loses a job's output with its head, so the job's own descriptors point into its folder.
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
