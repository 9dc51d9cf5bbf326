"""A job's history as server-sent events: replayed from where the client left off, then live."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Final

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header
from sse_starlette import EventSourceResponse, ServerSentEvent

from pipeline.errors import BadDatasetError
from service.api.datasets import DatasetName
from service.api.dependencies import Datasets, Jobs
from service.api.document import refusals
from service.api.runs import RunId
from service.api.security import require
from service.domain.events import EventKind
from service.domain.job import Job
from service.errors import NotFoundError
from service.operations.jobs import LogFollower
from service.store.jobs import HIGHEST_SEQUENCE, JobStore

router = APIRouter(dependencies=[Depends(require("read"))])

POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15

LastEventId = Annotated[int, Header(ge=0, le=HIGHEST_SEQUENCE, description="of the last event that came")]

EVENT: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": [str(kind) for kind in EventKind]},
        "id": {"type": "string", "description": "to go on from, as Last-Event-ID; a log line has none"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
STREAM: Final = {
    "description": "events, as they happen, until the job is over",
    "content": {"text/event-stream": {"itemSchema": EVENT}},
}


@router.get(
    "/runs/{run_id}/events",
    response_class=EventSourceResponse,
    tags=["runs"],
    responses={200: STREAM, **refusals(NotFoundError)},
)
def run_events(run_id: RunId, jobs: Jobs, last_event_id: LastEventId = 0) -> EventSourceResponse:
    """state, progress, epoch and checkpoint events carry an id to resume from; log lines do not."""
    job = jobs.get(run_id, "run")
    return _answer(_follow(jobs, job, last_event_id, LogFollower(job)))


@router.get(
    "/datasets/{name}/events",
    response_class=EventSourceResponse,
    tags=["datasets"],
    responses={200: STREAM, **refusals(NotFoundError, BadDatasetError)},
)
def preparation_events(
    name: DatasetName, datasets: Datasets, jobs: Jobs, last_event_id: LastEventId = 0
) -> EventSourceResponse:
    """state, progress and end events of a dataset's newest preparation, each with an id to resume from."""
    job = datasets.get(name).job
    if job is None:
        raise NotFoundError(f"dataset {name!r} was not prepared here: there is no preparation to follow")
    return _answer(_follow(jobs, job, last_event_id))


def _answer(stream: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    return EventSourceResponse(stream, ping=KEEP_ALIVE_SECONDS)


async def _follow(
    jobs: JobStore, job: Job, sequence: int, log: LogFollower | None = None
) -> AsyncIterator[ServerSentEvent]:
    """The job's events above `sequence`, and the lines of its log from now on where one is followed."""
    over = False
    while not over:
        # Asked first: whatever belongs to a job that is over has been written by then.
        over = await run_sync(_is_over, jobs, job.id)
        while events := await run_sync(jobs.events_after, job.id, sequence):
            for event in events:
                sequence = event.sequence
                data = json.dumps({"at": event.at, **event.data})
                yield ServerSentEvent(data=data, event=event.kind, id=str(sequence))
        for line in await run_sync(log.new_lines) if log else ():
            yield ServerSentEvent(data=json.dumps({"line": line}), event=EventKind.LOG)
        if not over:
            await anyio.sleep(POLL_SECONDS)


def _is_over(jobs: JobStore, job_id: str) -> bool:
    """Whether nothing more will happen to a job: it has ended, or has been deleted since."""
    try:
        return jobs.get(job_id).state.is_terminal
    except NotFoundError:
        return True
