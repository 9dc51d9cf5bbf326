"""Routes of what a run's first layer looks for, as it comes to be: pictures (P figure 3)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.staticfiles import StaticFiles

from service.api.dependencies import Jobs
from service.api.document import refusals
from service.api.json_answer import json_answer
from service.api.runs import RunId
from service.api.security import require
from service.domain.answers import FilterList, FilterPictures
from service.errors import NotFoundError

router = APIRouter(prefix="/runs/{run_id}/filters", tags=["runs"], dependencies=[Depends(require("read"))])

Step = Annotated[int, Path(ge=0, le=10**12)]
Tower = Annotated[int, Path(ge=0, le=99)]

PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "kernels sixteen to a row; grey is 0, on one scale for all towers of the step",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "the picture that If-None-Match names is the one there is"},
}

_files = StaticFiles()


@router.get("", response_model=FilterList, responses=refusals(NotFoundError))
def run_filters(run_id: RunId, jobs: Jobs) -> Response:
    """The steps at which the first layer's kernels were drawn: the first, and those of checkpoints, be they
    kept or not."""
    drawn = jobs.get(run_id, "run").work.towers_drawn()
    return json_answer(
        FilterList(items=[FilterPictures(step=step, towers=towers) for step, towers in drawn.items()])
    )


@router.get("/{step}/{tower}", response_class=Response, responses={**PICTURE, **refusals(NotFoundError)})
def run_filter_picture(run_id: RunId, step: Step, tower: Tower, jobs: Jobs, request: Request) -> Response:
    """One tower's kernels as they were at a step, as PNG."""
    picture = jobs.get(run_id, "run").work.filter_picture(step, tower)
    try:
        found = picture.stat()
    except FileNotFoundError:
        raise NotFoundError(f"run {run_id} has no picture of tower {tower} at step {step}") from None
    answer = _files.file_response(picture, found, request.scope)
    answer.headers["Cache-Control"] = "no-cache"
    return answer
