"""What can be done to any job: stopping it, and reading what it was told and what it wrote."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.storage.stored_files import STORAGE_FILE, StoredFiles
from service.domain.job import Job, StopMode
from service.domain.job_folder import step_of
from service.domain.resolved_run import ResolvedRun
from service.domain.state import JobState
from service.errors import LostFolderError
from service.store.jobs import JobStore

TAIL_BYTES = 2**20


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
    """Of all its files, wherever they are. Once it is whole nothing but its record is ever written anew, so
    each is measured once."""
    with os.scandir(checkpoint) as files:
        sizes = {file.name: file.stat().st_size for file in files}
    stored = StoredFiles.of(Path(checkpoint)) if STORAGE_FILE in sizes else None
    elsewhere = sum(file.size_bytes for file in stored.all) if stored else 0
    return sum(sizes.values()) + elsewhere


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
