"""Routes that take photos: as a form's files, as the body itself, or as base64 in JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.domain.classification import Classification
from service.domain.embedding import EmbeddedPhotos
from service.domain.similarity import SimilarOptions, SimilarPhotos
from service.serving.parameters import Operations, Options, Uploads

router = APIRouter(prefix="/api/v1")


@router.post("/classify")
@router.post("/models/{name}/classify")
@router.post("/models/{name}/versions/{version}/classify")
async def classify(
    options: Options,
    operations: Operations,
    uploads: Uploads,
    name: str | None = None,
    version: str | None = None,
) -> Classification:
    """The likeliest classes of each photo, in the photos' order."""
    return await operations.classify(operations.find(name, version), uploads, options)


@router.post("/embed")
@router.post("/models/{name}/embed")
@router.post("/models/{name}/versions/{version}/embed")
async def embed(
    operations: Operations, uploads: Uploads, name: str | None = None, version: str | None = None
) -> EmbeddedPhotos:
    """The activations of each photo that the output layer reads."""
    return await operations.embed(operations.find(name, version), uploads)


@router.post("/similar")
@router.post("/models/{name}/similar")
@router.post("/models/{name}/versions/{version}/similar")
async def similar(
    options: Annotated[SimilarOptions, Query()],
    operations: Operations,
    uploads: Uploads,
    name: str | None = None,
    version: str | None = None,
) -> SimilarPhotos:
    """The training photos nearest to each photo, by the L2 distance of their embeddings."""
    return await operations.similar(operations.find(name, version), uploads, options)
