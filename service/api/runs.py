"""Routes of training runs."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import BadDatasetError
from service.api.dependencies import Answers, Jobs, Reconciling, Runs
from service.api.document import location, refusals
from service.api.json_answer import json_answer
from service.api.run_answers import answer
from service.api.security import require
from service.domain.answers import Checkpoint, CheckpointList, LogLines, MetricList, Run, RunPage
from service.domain.job import StopMode
from service.domain.resolved_run import ResolvedRun
from service.domain.spec import RunSpec
from service.domain.state import JobState
from service.errors import (
    ClusterUnreachableError,
    ConflictError,
    FieldProblem,
    IdempotencyMismatchError,
    InfeasibleError,
    InvalidSpecError,
    LostFolderError,
    NotFoundError,
)
from service.operations.curves import metrics, thinned_metrics
from service.operations.jobs import checkpoints, log_tail, resolved_run, stop
from service.store.jobs import CURSOR_PATTERN, Idempotency

router = APIRouter(prefix="/runs", tags=["runs"])
read = [Depends(require("read"))]
write = [Depends(require("write"))]

EXCLUDE_EACH_OTHER: Final = "limit and points exclude each other: the first lines, or some of all"

# A path that names no run is a 404, whatever its form.
RunId = Annotated[str, Path(json_schema_extra={"format": "uuid"})]


class StopRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    mode: StopMode = "graceful"
    grace_seconds: float = Field(default=60, ge=0, le=3600)


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=write,
    responses={
        202: location("the run"),
        **refusals(
            NotFoundError,
            BadDatasetError,
            InvalidSpecError,
            InfeasibleError,
            IdempotencyMismatchError,
            ClusterUnreachableError,
        ),
    },
)
def create_run(
    spec: RunSpec,
    response: Response,
    jobs: Jobs,
    runs: Runs,
    reconciler: Reconciling,
    idempotency_key: Annotated[str | None, Header(pattern="^[!-~]{1,255}$")] = None,
) -> Run:
    """Starts a run. The same Idempotency-Key again answers with the run it made the first time."""
    idempotency = None
    if idempotency_key is not None:
        idempotency = Idempotency(
            idempotency_key, hashlib.sha256(spec.model_dump_json().encode()).hexdigest()
        )
    job = runs.create(spec, idempotency)
    reconciler.wake()
    response.headers["Location"] = f"/api/v1/runs/{job.id}"
    return answer(job, jobs.queue("run"))


@router.get("", dependencies=read, response_model=RunPage)
def list_runs(
    answers: Answers,
    state: Annotated[list[JobState] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="a page's `next_cursor`")] = None,
) -> Response:
    """Runs, newest first."""
    return Response(answers.page(state or (), limit, cursor), media_type="application/json")


@router.get("/{run_id}", dependencies=read, response_model=Run, responses=refusals(NotFoundError))
def get_run(run_id: RunId, jobs: Jobs) -> Response:
    job = jobs.get(run_id, "run")
    queue = jobs.queue("run") if job.state is JobState.QUEUED else []
    return json_answer(answer(job, queue))


@router.get(
    "/{run_id}/resolved",
    dependencies=read,
    response_model=ResolvedRun,
    responses=refusals(NotFoundError, LostFolderError),
)
def run_resolved(run_id: RunId, jobs: Jobs) -> Response:
    """The run made complete when it was asked for: each field of its presets, its share of the cluster,
    versions, and the checksum of its dataset."""
    return json_answer(resolved_run(jobs.get(run_id, "run")))


@router.post(
    "/{run_id}/stop",
    dependencies=write,
    responses={
        200: {"description": "the run is over already: nothing changes"},
        202: {"model": Run, "description": "the run was asked to stop"},
        **refusals(NotFoundError),
    },
)
def stop_run(
    run_id: RunId, response: Response, jobs: Jobs, reconciler: Reconciling, request: StopRequest | None = None
) -> Run:
    """202 when the run was asked to stop; 200 when it is over already and nothing changes."""
    request = request or StopRequest()
    job, changed = stop(jobs, jobs.get(run_id, "run"), request.mode, request.grace_seconds)
    reconciler.wake()
    response.status_code = status.HTTP_202_ACCEPTED if changed else status.HTTP_200_OK
    return answer(job, jobs.queue("run"))


@router.post(
    "/{run_id}/resume",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=write,
    responses=refusals(NotFoundError, LostFolderError, ConflictError, BadDatasetError),
)
def resume_run(run_id: RunId, jobs: Jobs, runs: Runs, reconciler: Reconciling) -> Run:
    """Goes on with a run that was stopped, failed or was interrupted, from its newest checkpoint."""
    job = runs.resume(jobs.get(run_id, "run"))
    reconciler.wake()
    return answer(job, jobs.queue("run"))


@router.delete(
    "/{run_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=write,
    responses=refusals(NotFoundError, ConflictError),
)
def delete_run(run_id: RunId, jobs: Jobs, runs: Runs) -> None:
    """Removes a run that is over, with its checkpoints and its history. Published models stay."""
    runs.delete(jobs.get(run_id, "run"))


@router.get(
    "/{run_id}/metrics",
    dependencies=read,
    response_model=MetricList,
    responses=refusals(NotFoundError, InvalidSpecError),
)
def run_metrics(
    run_id: RunId,
    jobs: Jobs,
    after: Annotated[int, Query(ge=0, description="only steps above this one")] = 0,
    limit: Annotated[
        int | None, Query(ge=1, le=10_000, description="so many at most; 1000 by default")
    ] = None,
    points: Annotated[
        int | None, Query(ge=1, le=10_000, description="so many at most, spread evenly over all there are")
    ] = None,
) -> Response:
    """What was measured at each logged step, in the order it was written: the first `limit` of them, or
    `points` over the whole run, the first and the last among them."""
    if limit is not None and points is not None:
        raise InvalidSpecError([FieldProblem(field, EXCLUDE_EACH_OTHER) for field in ("limit", "points")])
    job = jobs.get(run_id, "run")
    found = metrics(job, after, limit or 1000) if points is None else thinned_metrics(job, after, points)
    return json_answer(MetricList(items=found))


@router.get(
    "/{run_id}/logs",
    dependencies=read,
    response_model=LogLines,
    responses=refusals(NotFoundError),
)
def run_logs(run_id: RunId, jobs: Jobs, tail: Annotated[int, Query(ge=1, le=10_000)] = 200) -> Response:
    """The last lines the run's processes wrote."""
    return json_answer(LogLines(lines=log_tail(jobs.get(run_id, "run"), tail)))


@router.get(
    "/{run_id}/checkpoints",
    dependencies=read,
    response_model=CheckpointList,
    responses=refusals(NotFoundError),
)
def run_checkpoints(run_id: RunId, jobs: Jobs) -> Response:
    """The whole checkpoints the run keeps, oldest first."""
    found = checkpoints(jobs.get(run_id, "run"))
    return json_answer(CheckpointList(items=[Checkpoint(**checkpoint) for checkpoint in found]))
