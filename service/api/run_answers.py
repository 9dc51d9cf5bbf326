"""Runs as clients see them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from pydantic_core import to_json

from service.domain.answers import Checkpoint, Run, RunProgress
from service.domain.job import Job
from service.domain.state import JobState
from service.operations.jobs import checkpoints
from service.store.jobs import JobHead, JobStore

KEPT: Final = 5000


class RunAnswers:
    """Runs in JSON, from the database. Thread-safe.

    A run that is over stays as it is until something is told of it, so its JSON is made once and kept.
    """

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._kept: dict[tuple[str, int], bytes] = {}

    def page(self, states: Collection[JobState], limit: int, cursor: str | None) -> bytes:
        """A `RunPage`, newest first."""
        heads = self._jobs.heads("run", states=states, limit=limit, cursor=cursor)
        kept = {head.id: self._kept.get((head.id, head.last_sequence)) for head in heads.items}
        fresh = self._jobs.several([run_id for run_id, found in kept.items() if found is None])
        queue = self._queue(heads.items)
        runs = [
            found or self._make(fresh[run_id], queue)
            for run_id, found in kept.items()
            # One may have been deleted a moment ago.
            if found or run_id in fresh
        ]
        return b'{"items":[%b],"next_cursor":%b}' % (b",".join(runs), to_json(heads.next_cursor))

    def _make(self, job: Job, queue: Sequence[str]) -> bytes:
        made = answer(job, queue).model_dump_json().encode()
        if job.state.is_terminal:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[job.id, job.last_sequence] = made
        return made

    def _queue(self, heads: Sequence[JobHead]) -> list[str]:
        """The ids of the runs that wait; not asked for where none of those shown does."""
        return self._jobs.queue("run") if any(head.state is JobState.QUEUED for head in heads) else []


def answer(job: Job, queue: Sequence[str]) -> Run:
    """One run; `queue` has the ids of those that wait."""
    return Run(
        id=job.id,
        name=job.name,
        state=job.state,
        reason=job.reason,
        spec=job.spec,
        created_at=job.created_at,
        finished_at=job.finished_at,
        failure=job.failure,
        queue_position=queue.index(job.id) + 1 if job.id in queue else None,
        progress=RunProgress.model_validate(job.progress),
        attempts=job.attempts,
        checkpoints=[Checkpoint(**checkpoint) for checkpoint in checkpoints(job)],
    )
