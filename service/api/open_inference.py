"""The Open Inference Protocol: health, metadata and infer, answered by the serving process."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from service.api.document import Responses, reference, refusals
from service.api.forwarding import Forwarding, PathName, photo_router
from service.api.security import require
from service.domain.open_inference import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from service.errors import NotFoundError, ServingUnreachableError

# FastAPI would read the body to describe it; it is passed on unread instead, so it is described by hand.
REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": reference(InferRequest)},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

router = APIRouter(tags=["open inference protocol"])
asking = APIRouter(prefix="/v2", dependencies=[Depends(require("predict"))], default_response_class=Response)
inferring = photo_router(InferResponse)


def _answers(document: type[BaseModel], *more: type[NotFoundError]) -> Responses:
    return {200: {"model": document}, **refusals(ServingUnreachableError, *more)}


@asking.get("", responses=_answers(ServerMetadata))
async def server_metadata(forwarded: Forwarding) -> Response:
    """The server's name and version, and the protocol's extensions that it knows."""
    return await forwarded.answer()


@asking.get("/health/live", responses=_answers(ServerLive))
async def server_live(forwarded: Forwarding) -> Response:
    """The serving process answers."""
    return await forwarded.answer()


@asking.get("/health/ready", responses=_answers(ServerReady))
async def server_ready(forwarded: Forwarding) -> Response:
    """What is in production is loaded."""
    return await forwarded.answer()


@asking.get("/models/{name}", responses=_answers(ModelMetadata, NotFoundError))
async def model_metadata(name: PathName, forwarded: Forwarding) -> Response:
    """What a model takes and gives, and its versions."""
    return await forwarded.answer()


@asking.get("/models/{name}/versions/{version}", responses=_answers(ModelMetadata, NotFoundError))
async def version_metadata(name: PathName, version: PathName, forwarded: Forwarding) -> Response:
    """What one version of a model takes and gives."""
    return await forwarded.answer()


@asking.get("/models/{name}/ready", responses=_answers(ModelReady, NotFoundError))
async def model_ready(name: PathName, forwarded: Forwarding) -> Response:
    """Whether a model is there."""
    return await forwarded.answer()


@asking.get("/models/{name}/versions/{version}/ready", responses=_answers(ModelReady, NotFoundError))
async def version_ready(name: PathName, version: PathName, forwarded: Forwarding) -> Response:
    """Whether a version of a model is there."""
    return await forwarded.answer()


@inferring.post("/models/{name}/infer", openapi_extra=REQUEST_BODY)
async def infer(name: PathName, forwarded: Forwarding) -> Response:
    """The outputs of a model's `production` version, or its newest, for photos in JSON or binary tensors."""
    return await forwarded.answer()


@inferring.post("/models/{name}/versions/{version}/infer", openapi_extra=REQUEST_BODY)
async def infer_by_version(name: PathName, version: PathName, forwarded: Forwarding) -> Response:
    """The outputs of one version of a model: its number or an alias."""
    return await forwarded.answer()


router.include_router(asking)
router.include_router(inferring, prefix="/v2")
