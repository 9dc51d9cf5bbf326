"""The web page: a client of the public API like any other, served as the files it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles

from service.api.chart_library import chart_library

FOLDER: Final = Path(__file__).with_name("page")

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # What default-src does not cover is named: base-uri, form-action and frame-ancestors. Pictures that
        # a script asked for with its token are shown from memory, as blob:.
        "Content-Security-Policy": (
            "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none';"
            " frame-ancestors 'none'"
        ),
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # File names carry no version: a browser asks each time, and is told 304 when it has the newest.
        "Cache-Control": "no-cache",
    }
)

router = APIRouter(include_in_schema=False)
_files = StaticFiles(directory=FOLDER)


@router.get("/")
async def index(request: Request) -> Response:
    """The page itself. Its addresses are relative, so that it works behind a path prefix."""
    return await serve_file("index.html", request)


@router.get("/page/plotly.js")
def plotly(request: Request) -> Response:
    """The library that draws the charts, as its Python package carries it."""
    answer = chart_library().answer(request.headers)
    answer.headers.update(HEADERS)
    return answer


@router.get("/page/{file:path}")
async def page_file(file: str, request: Request) -> Response:
    """One of the page's scripts, styles and pictures."""
    return await serve_file(file, request)


async def serve_file(file: str, request: Request, headers: Mapping[str, str] = HEADERS) -> Response:
    """A file of the page's folder."""
    answer = await _files.get_response(file, request.scope)
    answer.headers.update(headers)
    return answer
