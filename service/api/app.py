"""The control plane's application: routers, middleware and lifetime put together."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from service.api import (
    classify,
    cluster,
    datasets,
    embed,
    events,
    filters,
    health,
    models,
    open_inference,
    page,
    presets,
    reference,
    runs,
    similar,
)
from service.api.document import DESCRIPTION, Api, operation_id
from service.api.foreign_pages import RefuseForeignPages
from service.api.security import LOOPBACK_HOSTS
from service.api.state import ControlPlane
from service.api.trace import REQUEST_ID, TraceRequests
from service.http import problems
from service.http.limit_bodies import LimitBodies
from service.http.measure_requests import MeasureRequests
from service.settings import Settings

MAX_JSON_BYTES: Final = 2**20
PHOTOS: Final = re.compile(r"(/api/v1|/v2)/(models/[^/]+/(versions/[^/]+/)?)?(classify|embed|similar|infer)")


def create_app(settings: Settings) -> FastAPI:
    """Opens the control plane's database and returns the application; jobs move while it is served."""
    plane = ControlPlane.open(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        plane.reconciler.start()
        try:
            yield
        finally:
            await plane.serving.aclose()
            await run_sync(plane.close)

    app = Api(
        title="Tandem",
        version=version("tandem"),
        description=DESCRIPTION,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.control_plane = plane
    app.add_middleware(LimitBodies, limit_bytes=MAX_JSON_BYTES, room=plane.body_room, but_for=PHOTOS)
    app.add_middleware(MeasureRequests, metrics=plane.metrics.http)
    if not plane.tokens.any_exist():
        # Without tokens only this machine may ask, and no web page may ask through a name of its own.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS)
        app.add_middleware(RefuseForeignPages, allowed=settings.cors_origins)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", REQUEST_ID],
            expose_headers=["Location", "Retry-After", REQUEST_ID],
        )
    # Around the others, for what they refuse is answered, and told of, like all else.
    app.add_middleware(TraceRequests)
    problems.install(app)
    app.include_router(health.router)
    api = APIRouter(prefix="/api/v1")
    for room in (runs, events, filters, presets, datasets, models, cluster):
        api.include_router(room.router)
    for room in (classify, embed, similar):
        api.include_router(room.router, tags=["photos"])
    app.include_router(api)
    app.include_router(open_inference.router)
    app.include_router(reference.router)
    app.include_router(page.router)
    return app
