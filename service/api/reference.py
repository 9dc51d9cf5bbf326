"""The API's reference for people: Swagger UI, as a Python package carries it, over the OpenAPI document."""

from __future__ import annotations

from importlib.metadata import distribution
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles

from service.api.page import HEADERS, serve_file

# Its style sheet carries its pictures.
_HEADERS: Final = MappingProxyType(
    {
        **HEADERS,
        "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("blob:", "blob: data:"),
    }
)
_RESOURCES: Final = "fastapi_swagger/resources"

router = APIRouter(include_in_schema=False)
_library = StaticFiles(directory=str(distribution("fastapi-swagger").locate_file(_RESOURCES)))


@router.get("/docs")
async def reference(request: Request) -> Response:
    """Its addresses are relative, so that it works behind a path prefix."""
    return await serve_file("reference/index.html", request, _HEADERS)


@router.get("/page/swagger-ui/{file}")
async def library_file(file: str, request: Request) -> Response:
    """Swagger UI's script and style sheet."""
    answer = await _library.get_response(file, request.scope)
    answer.headers.update(_HEADERS)
    return answer
