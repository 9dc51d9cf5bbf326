"""What can be done to any job: stopping it, and reading what it was told and what it wrote."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from pipeline.storage.stored_files import STORAGE_FILE, StoredFiles
from service.domain.job import Job, StopMode
from service.domain.job_folder import step_of
from service.domain.resolved_run import ResolvedRun
from service.domain.state import JobState
from service.errors import LostFolderError
from service.store.jobs import JobStore

TAIL_BYTES = 2**20

_STEP: Final = re.compile(rb'"step":\s*(\d+)')


def stop(jobs: JobStore, job: Job, mode: StopMode, grace_seconds: float) -> tuple[Job, bool]:
    """Asks a job to stop; returns it, and whether that changed anything.

    A job that is over stays as it is. `graceful` lets it finish its step and write a checkpoint for as long
    as the grace lasts, and raises `StorageUnavailableError` while it cannot be told; `now` does not. A second
    request may only hasten the first.
    """
    with jobs.editing(job.id) as edit:
        if edit.state.is_terminal:
            return jobs.get(job.id), False
        if mode == "graceful" and edit.state is not JobState.QUEUED:
            job.work.require_storage()
        deadline = datetime.now(UTC) + timedelta(seconds=0 if mode == "now" else grace_seconds)
        edit.row.stop_mode = mode
        edit.row.stop_deadline = deadline.isoformat()
        if edit.state is JobState.QUEUED:
            edit.move_to(JobState.STOPPED, "stopped before it started")
        elif edit.state is not JobState.STOPPING:
            edit.move_to(JobState.STOPPING)
        # Inside the edit, so that no resume comes between; a folder that is gone has nobody to ask.
        with suppress(FileNotFoundError):
            job.work.ask_to_stop()
    return jobs.get(job.id), True


def resolved_run(job: Job) -> ResolvedRun:
    """What a run was made complete to when it was asked for.

    Raises `LostFolderError` where its folder does not tell, and `StorageUnavailableError` while the place
    that the folder lies in is gone.
    """
    try:
        return ResolvedRun.model_validate_json(job.work.specification.read_bytes())
    except (OSError, ValidationError) as error:
        job.work.require_storage()
        raise LostFolderError(f"{job.work.specification} cannot be read: {error}") from error


def metrics(job: Job, after: int, limit: int) -> list[dict[str, Any]]:
    """The first lines of the run's progress with a step above `after`, in the order of steps."""
    return list(_parsed(islice(_told_first(job.work.progress, after), limit)))


def thinned_metrics(job: Job, after: int, points: int) -> list[dict[str, Any]]:
    """At most `points` lines of the run's progress with a step above `after`, in the order of steps.

    They are spread evenly over all such lines, the first and the last among them; one alone is the last.
    """
    path = job.work.progress
    # Read twice, so that of a run of any length no more is held than what is answered.
    chosen = _spread(points, over=sum(1 for _ in _told_first(path, after)))
    return list(_parsed(line for place, line in enumerate(_told_first(path, after)) if place in chosen))


def log_tail(job: Job, lines: int) -> list[str]:
    """The last lines the job's processes wrote."""
    path = job.work.log
    if not path.is_file():
        return []
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return log.read().decode(errors="replace").splitlines()[-lines:]


def checkpoints(job: Job) -> list[dict[str, Any]]:
    """The whole checkpoints a run keeps, oldest first."""
    found = []
    work = job.work
    # Texts, for making and hashing paths would be half of what a page of runs costs.
    folder = str(work.checkpoints)
    for name in work.checkpoint_names():
        # A run that still trains lets go of its older checkpoints.
        with suppress(FileNotFoundError):
            size = _size_bytes(f"{folder}/{name}")
            found.append({"name": name, "step": step_of(name), "size_bytes": size})
    return found


@lru_cache(maxsize=4096)
def _size_bytes(checkpoint: str) -> int:
    """Of all its files, wherever they are. A whole checkpoint stays as it is, so each is measured once."""
    with os.scandir(checkpoint) as files:
        sizes = {file.name: file.stat().st_size for file in files}
    stored = StoredFiles.of(Path(checkpoint)) if STORAGE_FILE in sizes else None
    elsewhere = sum(file.size_bytes for file in stored.all) if stored else 0
    return sum(sizes.values()) + elsewhere


def _told_first(path: Path, after: int) -> Iterator[bytes]:
    """Lines of progress with a step above `after`, in the order of steps.

    A run that went on from a checkpoint told of some steps again; the first telling counts.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            # A line in the middle of which its writer was killed is none; the next one follows below it. To
            # find the step takes half as long as to read all of the JSON, of which most may not be wanted.
            if line.endswith(b"}\n") and (found := _STEP.search(line)) and (step := int(found[1])) > after:
                after = step
                yield line


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        # A machine that went down may have left anything.
        with suppress(ValueError):
            yield from_json(line)


def _spread(points: int, *, over: int) -> Container[int]:
    """Places among so many, as evenly as can be; the first and the last, or the last alone."""
    if points >= over:
        return range(over)
    if points == 1:
        return {over - 1}
    return {place * (over - 1) // (points - 1) for place in range(points)}


class LogFollower:
    """Lines a job's processes write from now on."""

    def __init__(self, job: Job) -> None:
        self._path = job.work.log
        self._offset = self._path.stat().st_size if self._path.is_file() else 0

    def new_lines(self) -> list[str]:
        """The whole lines written since the last call."""
        if not self._path.is_file():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read(TAIL_BYTES)
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()
