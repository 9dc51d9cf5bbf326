"""Routes of what a run's first layer looks for, as it comes to be: pictures (P figure 3)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from service.api.dependencies import Jobs
from service.api.document import refusals
from service.api.json_answer import json_answer
from service.api.picture_answer import DESCRIBED, picture_answer
from service.api.runs import RunId
from service.api.security import require
from service.domain.answers import FilterList, FilterPictures
from service.errors import NotFoundError

router = APIRouter(prefix="/runs/{run_id}/filters", tags=["runs"], dependencies=[Depends(require("read"))])

Step = Annotated[int, Path(ge=0, le=10**12)]
Tower = Annotated[int, Path(ge=0, le=99)]


@router.get("", response_model=FilterList, responses=refusals(NotFoundError))
def run_filters(run_id: RunId, jobs: Jobs) -> Response:
    """The steps at which the first layer's kernels were drawn: the first, and those of checkpoints, be they
    kept or not."""
    drawn = jobs.get(run_id, "run").work.towers_drawn()
    return json_answer(
        FilterList(items=[FilterPictures(step=step, towers=towers) for step, towers in drawn.items()])
    )


@router.get("/{step}/{tower}", response_class=Response, responses={**DESCRIBED, **refusals(NotFoundError)})
def run_filter_picture(run_id: RunId, step: Step, tower: Tower, jobs: Jobs, request: Request) -> Response:
    """One tower's kernels as they were at a step, sixteen to a row; grey is 0, on one scale for all."""
    picture = jobs.get(run_id, "run").work.filter_picture(step, tower)
    try:
        return picture_answer(picture, request)
    except FileNotFoundError:
        raise NotFoundError(f"run {run_id} has no picture of tower {tower} at step {step}") from None
