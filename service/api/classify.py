"""Routes of classification: checked here, answered by the serving process."""

from __future__ import annotations

from typing import Annotated, Any, Final

import httpx
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from service.api.dependencies import CurrentSettings, Serving
from service.api.document import refusals
from service.api.security import require
from service.domain.classification import MAX_PHOTOS, Classification, ClassifyOptions
from service.domain.names import Name
from service.errors import (
    InvalidSpecError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    ServingUnreachableError,
    UndecodableImageError,
    UnsupportedImageError,
)
from service.http.body import read_body

PASSED_ON = ("content-type", "retry-after")

_BINARY = {"type": "string", "format": "binary"}
# FastAPI would read the body to describe it; it is passed on unread instead, so it is described by hand.
REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "minItems": 1, "maxItems": MAX_PHOTOS, "items": _BINARY}
                    },
                }
            },
            "image/*": {"schema": _BINARY},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["instances"],
                    "additionalProperties": False,
                    "properties": {
                        "instances": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_PHOTOS,
                            "items": {
                                "type": "object",
                                "required": ["b64"],
                                "additionalProperties": False,
                                "properties": {"b64": {"type": "string", "format": "byte"}},
                            },
                        }
                    },
                }
            },
        },
    }
}

router = APIRouter(
    tags=["classify"],
    dependencies=[Depends(require("predict"))],
    default_response_class=Response,
    responses={
        200: {"model": Classification},
        **refusals(
            NotFoundError,
            PayloadTooLargeError,
            UnsupportedImageError,
            InvalidSpecError,
            UndecodableImageError,
            OverloadedError,
            ServingUnreachableError,
        ),
    },
)


async def _read(request: Request, settings: CurrentSettings) -> bytes:
    return await read_body(request, settings.max_upload_bytes)


Options = Annotated[ClassifyOptions, Query()]
Body = Annotated[bytes, Depends(_read)]
ContentType = Annotated[str | None, Header(include_in_schema=False)]
PathName = Annotated[Name, Path()]


@router.post("/classify", openapi_extra=REQUEST_BODY)
async def classify(
    options: Options, body: Body, serving: Serving, content_type: ContentType = None
) -> Response:
    """Says what photos show, by the default model."""
    return _passed_on(await serving.forward("/api/v1/classify", options, body, content_type))


@router.post("/models/{name}/classify", openapi_extra=REQUEST_BODY)
async def classify_by_model(
    name: PathName, options: Options, body: Body, serving: Serving, content_type: ContentType = None
) -> Response:
    """Says what photos show, by a model's `production` version, or its newest where none is."""
    path = f"/api/v1/models/{name}/classify"
    return _passed_on(await serving.forward(path, options, body, content_type))


@router.post("/models/{name}/versions/{version}/classify", openapi_extra=REQUEST_BODY)
async def classify_by_version(
    name: PathName,
    version: PathName,
    options: Options,
    body: Body,
    serving: Serving,
    content_type: ContentType = None,
) -> Response:
    """Says what photos show, by one version of a model: its number or an alias."""
    path = f"/api/v1/models/{name}/versions/{version}/classify"
    return _passed_on(await serving.forward(path, options, body, content_type))


def _passed_on(answer: httpx.Response) -> Response:
    headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
    return Response(answer.content, answer.status_code, headers)
