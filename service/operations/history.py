"""Brings what a job wrote in its own files into its history, each line exactly once."""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from service.domain.events import EventKind
from service.domain.job import Job
from service.errors import StorageUnavailableError
from service.operations.advance import Signs
from service.store.job_edit import JobEdit

log = structlog.get_logger()

READ_BYTES = 4 * 2**20


class Written(NamedTuple):
    """Whole lines found at the end of a file, and the offset to go on from, where there may be more."""

    lines: list[dict[str, Any]]
    offset: int
    has_more: bool


class News(NamedTuple):
    """What a job wrote since it was last looked at; its attempt began at `attempt_at`."""

    progress: Written
    events: Written
    attempt_at: str

    @property
    def is_whole(self) -> bool:
        """Whether all that was written is here; the rest is the next news."""
        return not (self.progress.has_more or self.events.has_more)

    @property
    def signs(self) -> Signs:
        """A failure counts until a later line of progress; lines of earlier attempts count for nothing."""
        failures = [line["at"] for line in self.events.lines if line["kind"] == "failure"]
        reports = [line["at"] for line in self.progress.lines[-1:]]
        failed_at, reported_at = (
            max((at for at in moments if at >= self.attempt_at), default=None)
            for moments in (failures, reports)
        )
        fell = failed_at is not None and (reported_at is None or reported_at < failed_at)
        return Signs(reported=reported_at is not None and not fell, fell=fell)


def read_news(job: Job) -> News:
    """Raises `StorageUnavailableError` while the files cannot be read: what is in them is news later."""
    try:
        news = News(
            progress=_read_lines(job.work.progress, job.progress_offset),
            events=_read_lines(job.work.events, job.events_offset),
            attempt_at=job.attempt.started_at if job.attempt else "",
        )
    except OSError as error:
        raise StorageUnavailableError(f"{error.filename} cannot be read: {error.strerror}") from error
    # After reading: a file that was not there may have been taken away with all others.
    job.work.require_storage()
    return news


def record(edit: JobEdit, news: News) -> None:
    """Appends the news to a job's history and moves its offsets, inside the edit's transaction.

    Of many lines of progress only the newest becomes an event: the file keeps them all.
    """
    progress = dict(edit.row.progress)
    newest = [{"kind": EventKind.PROGRESS, **line} for line in news.progress.lines[-1:]]
    for line in sorted([*news.events.lines, *newest], key=itemgetter("at")):
        kind = line["kind"]
        data = {key: value for key, value in line.items() if key not in {"kind", "at"}}
        if kind == EventKind.PROGRESS:
            progress.update(data)
            data = dict(progress)
        elif kind == EventKind.EPOCH:
            progress.update({key: data[key] for key in ("epoch", "val_top1_error", "val_top5_error")})
            best = progress.get("best_val_top1_error", data["val_top1_error"])
            progress["best_val_top1_error"] = min(best, data["val_top1_error"])
        if kind in {EventKind.PROGRESS, EventKind.EPOCH, EventKind.CHECKPOINT, EventKind.WARNING}:
            edit.append(EventKind(kind), data, at=line["at"])
    edit.row.progress = progress
    edit.row.progress_offset = news.progress.offset
    edit.row.events_offset = news.events.offset


def _read_lines(path: Path, offset: int) -> Written:
    if not path.is_file():
        return Written([], offset, has_more=False)
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(READ_BYTES)
    # What follows the last newline is still being written.
    whole = data[: data.rfind(b"\n") + 1]
    lines = []
    for raw in whole.splitlines():
        try:
            lines.append(json.loads(raw))
        except ValueError:
            log.error("torn_line", path=str(path), line=raw[:200].decode(errors="replace"))
    # A line longer than that is none of a job's.
    has_more = len(data) == READ_BYTES and whole != b""
    return Written(lines, offset + len(whole), has_more)
