"""The serving process's application: routes, and the parts behind them put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version as installed
from typing import Annotated

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Query, Request, status

from service.domain.classification import Classification, ClassifyOptions
from service.http import problems
from service.http.body import read_body
from service.http.listener import listen
from service.serving.batcher import Batcher, BatchLimits
from service.serving.decoder import Decoder
from service.serving.operations import ClassifyOperations
from service.serving.registry import ModelRegistry
from service.serving.uploads import photos_in
from service.settings import Settings
from service.store.models import ModelStore

# A client that has stopped reading its answer must not keep the process from ending.
GRACE_SECONDS = 30

router = APIRouter()


def create_app(settings: Settings, limits: BatchLimits | None = None) -> FastAPI:
    """Classifies by the models under `settings.models`. Loopback's or a private network's alone: it asks for
    no token, the control plane in front of it does."""
    store = ModelStore(settings.models, settings.default_model)
    decoder = Decoder()
    batcher = Batcher(limits or BatchLimits(), more_coming=lambda: decoder.is_busy)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher.running():
            yield
        decoder.close()

    app = FastAPI(title="Tandem serving", version=installed("tandem"), lifespan=lifespan)
    app.state.max_upload_bytes = settings.max_upload_bytes
    app.state.operations = ClassifyOperations(store, ModelRegistry(store), decoder, batcher)
    problems.install(app)
    app.include_router(router)
    return app


def serve(settings: Settings, host: str, port: int) -> None:
    """Runs the serving process until it is told to end; what it has accepted it answers first.

    Raises `StackError` for a taken port.
    """
    listener = listen(host, port)
    config = uvicorn.Config(
        create_app(settings), log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS
    )
    uvicorn.Server(config).run(sockets=[listener])


def _operations(request: Request) -> ClassifyOperations:
    operations: ClassifyOperations = request.app.state.operations
    return operations


Operations = Annotated[ClassifyOperations, Depends(_operations)]
Options = Annotated[ClassifyOptions, Query()]


@router.post("/api/v1/classify")
@router.post("/api/v1/models/{name}/classify")
@router.post("/api/v1/models/{name}/versions/{version}/classify")
async def classify(
    request: Request,
    options: Options,
    operations: Operations,
    name: str | None = None,
    version: str | None = None,
) -> Classification:
    """Photos as a form's files, as the body itself, or as base64 in JSON; predictions in their order."""
    asked = operations.find(name, version)
    body = await read_body(request, request.app.state.max_upload_bytes)
    uploads = photos_in(body, request.headers.get("content-type"))
    return await operations.classify(asked, uploads, options)


@router.post("/internal/candidates/{candidate}/check", status_code=status.HTTP_204_NO_CONTENT)
async def check(candidate: str, operations: Operations) -> None:
    """Whether a model that is about to be published loads and classifies."""
    await operations.check(candidate)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz() -> dict[str, str]:
    """It takes requests; models are loaded when they are first asked for."""
    return {"status": "ready"}
