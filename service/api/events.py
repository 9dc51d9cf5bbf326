"""A run's history as server-sent events: replayed from where the client left off, then live."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header
from sse_starlette import EventSourceResponse, ServerSentEvent

from service.api.dependencies import Jobs
from service.api.security import require
from service.domain.events import EventKind
from service.domain.job import Job
from service.operations.jobs import LogFollower
from service.store.jobs import JobStore

router = APIRouter(tags=["runs"], dependencies=[Depends(require("read"))])

POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15


@router.get("/runs/{run_id}/events", response_class=EventSourceResponse)
def events(run_id: str, jobs: Jobs, last_event_id: Annotated[int, Header(ge=0)] = 0) -> EventSourceResponse:
    """state, progress, epoch and checkpoint events carry an id to resume from; log lines do not."""
    job = jobs.get(run_id, "run")
    return EventSourceResponse(_follow(jobs, job, last_event_id), ping=KEEP_ALIVE_SECONDS)


async def _follow(jobs: JobStore, job: Job, sequence: int) -> AsyncIterator[ServerSentEvent]:
    follower = LogFollower(job)
    over = False
    while not over:
        # Asked first: whatever belongs to a job that is over has been written by then.
        over = (await run_sync(jobs.get, job.id)).state.is_terminal
        while events := await run_sync(jobs.events_after, job.id, sequence):
            for event in events:
                sequence = event.sequence
                data = json.dumps({"at": event.at, **event.data})
                yield ServerSentEvent(data=data, event=event.kind, id=str(sequence))
        for line in await run_sync(follower.new_lines):
            yield ServerSentEvent(data=json.dumps({"line": line}), event=EventKind.LOG)
        if not over:
            await anyio.sleep(POLL_SECONDS)
