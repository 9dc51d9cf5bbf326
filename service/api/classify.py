"""Routes of classification."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from service.api.forwarding import PHOTOS, Forwarding, PathName, photo_router
from service.domain.classification import Classification, ClassifyOptions

router = photo_router(Classification)

Options = Annotated[ClassifyOptions, Query()]


@router.post("/classify", openapi_extra=PHOTOS)
async def classify(options: Options, forwarded: Forwarding) -> Response:
    """Says what photos show, by the default model."""
    return await forwarded.answer(options.model_dump(mode="json"))


@router.post("/models/{name}/classify", openapi_extra=PHOTOS)
async def classify_by_model(name: PathName, options: Options, forwarded: Forwarding) -> Response:
    """Says what photos show, by a model's `production` version, or its newest where none is."""
    return await forwarded.answer(options.model_dump(mode="json"))


@router.post("/models/{name}/versions/{version}/classify", openapi_extra=PHOTOS)
async def classify_by_version(
    name: PathName, version: PathName, options: Options, forwarded: Forwarding
) -> Response:
    """Says what photos show, by one version of a model: its number or an alias."""
    return await forwarded.answer(options.model_dump(mode="json"))
