"""What every job does around its work: keeps a log that outlives Ray, and leaves the cause when it fails."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.domain.job_folder import JobFolder, write_json
from service.errors import InfeasibleError, WorkerLostError
from service.training.cause import cause_of


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
        record_failure(folder, error, error.rank if isinstance(error, WorkerLostError) else None)
        raise


def record_failure(folder: JobFolder, error: BaseException, rank: int | None) -> None:
    """Writes `error.json`. The first cause written stays, for what follows it is only its consequence.

    But a lost worker or a lost node cannot tell of itself, and what the others say follows from that.
    """
    if folder.error.exists() and not isinstance(error, (WorkerLostError, InfeasibleError)):
        return
    cause = cause_of(error)
    write_json(
        folder.error,
        {
            "rank": rank,
            "type": type(error).__name__,
            **cause._asdict(),
            "traceback": "".join(traceback.format_exception(error)),
        },
    )


def _log_to(path: Path) -> None:
    # Ray loses a job's output with its head, so the job's own descriptors point into its folder.
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
