"""Routes of classification: checked here, answered by the serving process."""

from __future__ import annotations

from typing import Annotated, Any, Final

import httpx
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from service.api.body import read_body
from service.api.dependencies import CurrentSettings, Serving
from service.api.security import require
from service.cluster.serving import ServingClient
from service.domain.classification import Classification, ClassifyOptions
from service.domain.names import NAME_PATTERN
from service.settings import Settings

PassedOn = ("content-type", "retry-after")

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
                    "properties": {"file": {"type": "array", "items": _BINARY}},
                }
            },
            "image/*": {"schema": _BINARY},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["instances"],
                    "properties": {
                        "instances": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["b64"],
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
    responses={200: {"model": Classification}},
)

Options = Annotated[ClassifyOptions, Query()]
PathName = Annotated[str, Path(pattern=NAME_PATTERN)]


class _Forward:
    """One request on its way to the serving process, its body read no further than the limit."""
