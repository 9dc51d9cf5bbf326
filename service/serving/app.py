"""The serving process's application: routes, and the parts behind them put together."""

from __future__ import annotations

import gc
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version as installed

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.middleware import Middleware

from service.cores import usable_cores
from service.http import problems
from service.http.body_room import BodyRoom
from service.http.grace import grace_seconds
from service.http.measure_requests import MeasureRequests
from service.serving import health, internal, open_inference, photos
from service.serving.admission import Admission
from service.serving.batcher import DEFAULT_LIMITS, Batcher, BatchLimits
from service.serving.decoder import Decoder
from service.serving.inquiries import Inquiries
from service.serving.metrics import ServingMetrics
from service.serving.operations import ServingOperations
from service.serving.registry import ModelRegistry
from service.serving.workers import workers_of
from service.settings import Settings
from service.store.models import ModelStore


def create_app(settings: Settings, limits: BatchLimits = DEFAULT_LIMITS) -> Starlette:
    """Answers about photos by the models under `settings.models`, with what is in production loaded first.

    Loopback's or a private network's alone: it asks for no token, the control plane in front of it does.
    Raises `StackError` for a device that this machine does not have.
    """
    store = ModelStore(settings.models, settings.default_model)
    metrics = ServingMetrics()
    workers = workers_of(settings)
    admission = Admission(limits.photos_waiting, metrics.photos_waiting)
    registry = ModelRegistry(store, workers, metrics)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await registry.load_production()
        with (
            answering_threads(settings, limits, len(workers)) as decoder,
            ThreadPoolExecutor(usable_cores(), "search") as searching,
        ):
            inquiries = Inquiries(registry, admission, decoder, metrics, settings.request_seconds)
            app.state.operations = ServingOperations(store, registry, inquiries, searching)
            yield

    # Photos do not pass FastAPI's own layers: a tenth of what the event loop does for each.
    measured = Middleware(MeasureRequests, metrics=metrics.http)
    app = Starlette(routes=photos.ROUTES, middleware=[measured], lifespan=lifespan)
    problems.install(app)
    app.state.max_upload_bytes = settings.max_upload_bytes
    app.state.body_room = BodyRoom(settings.max_upload_bytes)
    app.state.metrics = metrics
    app.router.default = _described_routes(app.state)
    return app


def _described_routes(state: State) -> FastAPI:
    app = FastAPI(title="Tandem serving", version=installed("tandem"))
    app.state = state
    problems.install(app)
    for room in (open_inference, internal, health):
        app.include_router(room.router)
    return app


@contextmanager
def answering_threads(settings: Settings, limits: BatchLimits, workers: int) -> Iterator[Decoder]:
    """Threads that answer the photos which the decoder is given; they end when all are answered."""
    decoder: Decoder
    batcher = Batcher(limits, lambda: decoder.is_busy, workers)
    decoder = Decoder(batcher.take, settings.max_pixels)
    try:
        yield decoder
    finally:
        decoder.close()
        batcher.close()


def serve(settings: Settings, listener: socket.socket) -> None:
    """Runs the serving process on a bound socket until it is told to end; what it has accepted it answers
    first. Raises `StackError` for a device that is not there.
    """
    app = create_app(settings)
    # What is there by now stays; looking through it again and again would hold requests up.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        # A client that has stopped reading its answer must not keep the process from ending.
        timeout_graceful_shutdown=grace_seconds(settings.request_seconds),
    )
    uvicorn.Server(config).run(sockets=[listener])
