"""Routes that take photos: as a form's files, as the body itself, or as base64 in JSON.

They are Starlette's, in front of FastAPI: where the network is small, half of what an answer costs would be
FastAPI's finding out of what is asked and how it is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from service.domain.classification import Classification, ClassifyOptions
from service.domain.embedding import EmbeddedPhotos
from service.domain.similarity import SimilarOptions, SimilarPhotos
from service.http.body import read_body
from service.http.body_room import BodyShare
from service.serving.inquiries import Version
from service.serving.operations import ServingOperations
from service.serving.uploads import photos_in

Options = TypeVar("Options", bound=BaseModel)


class NoOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


async def classify(request: Request, share: BodyShare) -> Classification:
    """The likeliest classes of each photo, in the photos' order."""
    options = _options(ClassifyOptions, request.scope["query_string"])
    operations, asked, uploads = await _asked(request, share)
    return await operations.classify(asked, uploads, options)


async def embed(request: Request, share: BodyShare) -> EmbeddedPhotos:
    """The activations of each photo that the output layer reads."""
    _options(NoOptions, request.scope["query_string"])
    operations, asked, uploads = await _asked(request, share)
    return await operations.embed(asked, uploads)


async def similar(request: Request, share: BodyShare) -> SimilarPhotos:
    """The training photos nearest to each photo, by the L2 distance of their embeddings."""
    options = _options(SimilarOptions, request.scope["query_string"])
    operations, asked, uploads = await _asked(request, share)
    return await operations.similar(asked, uploads, options)


async def _asked(request: Request, share: BodyShare) -> tuple[ServingOperations, Version, list[bytes]]:
    operations: ServingOperations = request.app.state.operations
    parameters = request.path_params
    body = await read_body(request, request.app.state.max_upload_bytes, share)
    # Only now: while a body comes, an alias may move, and the version that it named be removed.
    asked = operations.find(parameters.get("name"), parameters.get("version"))
    return operations, asked, photos_in(body, request.headers.get("content-type"))


@lru_cache(maxsize=256)
def _options(kind: type[Options], query_string: bytes) -> Options:
    """Raises RequestValidationError, as FastAPI does, naming what is wrong."""
    try:
        return kind.model_validate(dict(QueryParams(query_string)))
    except ValidationError as error:
        raise RequestValidationError(
            [{**entry, "loc": ("query", *entry["loc"])} for entry in error.errors()]
        ) from error


def _endpoint(
    answer: Callable[[Request, BodyShare], Awaitable[BaseModel]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        with BodyShare(request.app.state.body_room) as share:
            document = await answer(request, share)
        return Response(document.__pydantic_serializer__.to_json(document), media_type="application/json")

    return endpoint


class PhotoRoute(Route):
    """Tells who measures requests which route it was, as FastAPI's do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self}


ROUTES: Final = [
    PhotoRoute(f"/api/v1{prefix}/{answer.__name__}", _endpoint(answer), methods=["POST"])
    for answer in (classify, embed, similar)
    for prefix in ("", "/models/{name}", "/models/{name}/versions/{version}")
]
