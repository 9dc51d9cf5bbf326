"""One process at most trains in a run's folder, whatever became of the attempts before it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.domain.job_folder import JobFolder
from service.errors import AttemptAliveError

_LOOK_EVERY_SECONDS: Final = 0.2


@contextmanager
def sole_attempt(folder: JobFolder, patience_seconds: float = 60.0) -> Iterator[None]:
    """Holds a run's folder. A process that lost Ray's head may take a while to end: it is waited for.

    The lock goes with the process that holds it, however that ends. Raises `AttemptAliveError` when another
    keeps the folder for longer than `patience_seconds`.
    """
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(lock, folder, time.monotonic() + patience_seconds)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: JobFolder, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise AttemptAliveError(
                    f"another process still trains in {folder.path}: end it, and resume the run then"
                ) from error
            time.sleep(_LOOK_EVERY_SECONDS)
        else:
            return
