"""Routes of embeddings."""

from __future__ import annotations

from fastapi import Response

from service.api.forwarding import PHOTOS, Forwarding, PathName, photo_router
from service.domain.embedding import EmbeddedPhotos

router = photo_router(EmbeddedPhotos)


@router.post("/embed", openapi_extra=PHOTOS)
async def embed(forwarded: Forwarding) -> Response:
    """What photos are to the default model: the activations that its output layer reads."""
    return await forwarded.answer()


@router.post("/models/{name}/embed", openapi_extra=PHOTOS)
async def embed_by_model(name: PathName, forwarded: Forwarding) -> Response:
    """What photos are to a model's `production` version, or its newest where none is."""
    return await forwarded.answer()


@router.post("/models/{name}/versions/{version}/embed", openapi_extra=PHOTOS)
async def embed_by_version(name: PathName, version: PathName, forwarded: Forwarding) -> Response:
    """What photos are to one version of a model: its number or an alias."""
    return await forwarded.answer()
