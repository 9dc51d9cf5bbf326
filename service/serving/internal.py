"""Routes for the control plane alone."""

from __future__ import annotations

from fastapi import APIRouter, status

from service.serving.parameters import Operations

router = APIRouter(prefix="/internal")


@router.post("/candidates/{candidate}/check", status_code=status.HTTP_204_NO_CONTENT)
async def check(candidate: str, operations: Operations) -> None:
    """Whether a model that is about to be published loads and classifies."""
    await operations.check(candidate)


@router.post("/models/{name}/versions/{version}/load", status_code=status.HTTP_204_NO_CONTENT)
async def load(name: str, version: int, operations: Operations) -> None:
    """Has a version in memory before an alias is pointed at it."""
    await operations.make_ready(name, version)
