"""Routes about photos are checked here and answered by the serving process: what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import httpx
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from service.api.dependencies import Plane
from service.api.document import refusals
from service.api.security import require
from service.api.state import ControlPlane
from service.domain.classification import MAX_PHOTOS
from service.domain.names import Name
from service.errors import (
    AnswerTooLateError,
    InvalidSpecError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    ServingUnreachableError,
    SlowBodyError,
    UndecodableImageError,
    UnsupportedImageError,
)
from service.http.body import read_body
from service.http.body_room import BodyShare

_BINARY = {"type": "string", "format": "binary"}
# FastAPI would read the body to describe it; it is passed on unread instead, so it is described by hand.
PHOTOS: Final[dict[str, Any]] = {
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

_FORWARDED: Final = ("content-type", "inference-header-content-length")
_PASSED_ON: Final = ("content-type", "retry-after", "inference-header-content-length")

PathName = Annotated[Name, Path()]


def photo_router(answer: type[BaseModel]) -> APIRouter:
    """For routes that take photos and answer with a document of that type."""
    return APIRouter(
        dependencies=[Depends(require("predict"))],
        default_response_class=Response,
        responses={
            200: {"model": answer},
            **refusals(
                NotFoundError,
                PayloadTooLargeError,
                SlowBodyError,
                UnsupportedImageError,
                InvalidSpecError,
                UndecodableImageError,
                OverloadedError,
                AnswerTooLateError,
                ServingUnreachableError,
            ),
        },
    )


class Forwarded:
    """A request on its way to the serving process."""

    def __init__(self, request: Request, plane: ControlPlane) -> None:
        self._request = request
        self._plane = plane

    async def answer(self, params: Mapping[str, str | int] = {}) -> Response:
        """What the serving process says to it, on the same path."""
        # As they came over the wire: latin-1 is how a header is read.
        headers = [
            (name.encode(), self._request.headers[name].encode("latin-1"))
            for name in _FORWARDED
            if name in self._request.headers
        ]
        method, path = self._request.method, self._request.url.path
        with BodyShare(self._plane.body_room) as share:
            body = await read_body(self._request, self._plane.settings.max_upload_bytes, share)
            answer = await self._plane.serving.forward(method, path, params, headers, body)
        return _passed_on(answer)


async def _forwarded(request: Request, plane: Plane) -> Forwarded:
    return Forwarded(request, plane)


def _passed_on(answer: httpx.Response) -> Response:
    headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    return Response(answer.content, answer.status_code, headers)


Forwarding = Annotated[Forwarded, Depends(_forwarded)]
