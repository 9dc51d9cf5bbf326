"""Is it alive, is it ready, and how is it doing."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, Response, status
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from service.api.dependencies import Plane
from service.api.scraping import may_scrape
from service.domain.answers import Readiness
from service.domain.storage import require_folder
from service.errors import ServiceError

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "something does not answer"}})
def readyz(plane: Plane, response: Response) -> Readiness:
    """200 when database, storage, Ray and serving all answer; else 503, saying which does not."""

    def database() -> None:
        with plane.database.reading() as connection:
            connection.execute(text("SELECT 1"))

    def storage() -> None:
        for folder in plane.settings.folders:
            require_folder(folder)
        plane.object_storage.require()

    checks = {
        "database": database,
        "storage": storage,
        "ray": plane.cluster.resources,
        "serving": plane.serving.ping,
    }
    found = {name: _verdict(check) for name, check in checks.items()}
    ready = all(verdict == "ok" for verdict in found.values())
    response.status_code = status.HTTP_200_OK if ready else status.HTTP_503_SERVICE_UNAVAILABLE
    return Readiness(status="ready" if ready else "not ready", checks=found)


@router.get("/metrics", dependencies=[Depends(may_scrape)], response_class=PlainTextResponse)
def metrics(plane: Plane) -> Response:
    """Prometheus text: HTTP requests by route, jobs by state, how far each at work is, and what is away."""
    return Response(generate_latest(plane.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _verdict(check: Callable[[], object]) -> str:
    try:
        check()
    except ServiceError as error:
        return str(error)
    return "ok"
