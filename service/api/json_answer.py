"""Answers as JSON, made by the route that found them."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response


def json_answer(answer: BaseModel) -> Response:
    """The answer's bytes.

    A route that is no coroutine makes them in its own thread; left to FastAPI, they take a turn in another.
    """
    return Response(answer.model_dump_json(), media_type="application/json")
