"""Pictures as answers, which a browser keeps and asks for again only when they have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

DESCRIBED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "a PNG file",
        "content": {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}},
    },
    304: {"description": "it is still the one whose `ETag` is in `If-None-Match`"},
}

_files = StaticFiles()


def picture_answer(path: Path, request: Request) -> Response:
    """The file with its `ETag`, or a 304 for a client that has it."""
    answer = _files.file_response(path, path.stat(), request.scope)
    answer.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
    return answer
