"""A job's history as server-sent events: replayed from where the client left off, then live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query
from sse_starlette import EventSourceResponse

from pipeline.errors import BadDatasetError
from service.api.datasets import DatasetName
from service.api.dependencies import Datasets, Following, Jobs
from service.api.document import refusals
from service.api.runs import RunId
from service.api.security import require
from service.domain.events import EventKind
from service.errors import NotFoundError
from service.store.jobs import HIGHEST_SEQUENCE

router = APIRouter(dependencies=[Depends(require("read"))])

KEEP_ALIVE_SECONDS = 15

LastEventId = Annotated[int, Header(ge=0, le=HIGHEST_SEQUENCE, description="of the last event that came")]

Kinds = Annotated[
    list[EventKind] | None,
    Query(description="only events of these kinds, and the end; all without it"),
]

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
def run_events(
    run_id: RunId, jobs: Jobs, feeds: Following, kind: Kinds = None, last_event_id: LastEventId = 0
) -> EventSourceResponse:
    """state, progress, epoch and checkpoint events carry an id to resume from; log lines do not."""
    return _answer(feeds.follow(jobs.get(run_id, "run"), last_event_id, kind or ()))


@router.get(
    "/datasets/{name}/events",
    response_class=EventSourceResponse,
    tags=["datasets"],
    responses={200: STREAM, **refusals(NotFoundError, BadDatasetError)},
)
def preparation_events(
    name: DatasetName, datasets: Datasets, feeds: Following, last_event_id: LastEventId = 0
) -> EventSourceResponse:
    """state, progress and end events of a dataset's newest preparation, each with an id to resume from."""
    job = datasets.get(name).job
    if job is None:
        raise NotFoundError(f"dataset {name!r} was not prepared here: there is no preparation to follow")
    return _answer(feeds.follow(job, last_event_id))


def _answer(frames: AsyncIterator[bytes]) -> EventSourceResponse:
    return EventSourceResponse(frames, ping=KEEP_ALIVE_SECONDS)
