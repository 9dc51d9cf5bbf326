"""Routes of photos that are alike."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from service.api.document import refusals
from service.api.forwarding import PHOTOS, Forwarding, PathName, photo_router
from service.domain.similarity import SimilarOptions, SimilarPhotos
from service.errors import NotIndexedError

router = photo_router(SimilarPhotos)
NOT_INDEXED = refusals(NotIndexedError)

Options = Annotated[SimilarOptions, Query()]


@router.post("/similar", openapi_extra=PHOTOS, responses=NOT_INDEXED)
async def similar(options: Options, forwarded: Forwarding) -> Response:
    """The training photos nearest to photos, to the default model."""
    return await forwarded.answer(options.model_dump(mode="json"))


@router.post("/models/{name}/similar", openapi_extra=PHOTOS, responses=NOT_INDEXED)
async def similar_by_model(name: PathName, options: Options, forwarded: Forwarding) -> Response:
    """The training photos nearest to photos, to a model's `production` version, or else its newest."""
    return await forwarded.answer(options.model_dump(mode="json"))


@router.post("/models/{name}/versions/{version}/similar", openapi_extra=PHOTOS, responses=NOT_INDEXED)
async def similar_by_version(
    name: PathName, version: PathName, options: Options, forwarded: Forwarding
) -> Response:
    """The training photos nearest to photos, to one version of a model: its number or an alias."""
    return await forwarded.answer(options.model_dump(mode="json"))
