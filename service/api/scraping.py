"""Who may scrape: whoever may read; and Prometheus, with its own token, also while the database is away."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials

from service.api.dependencies import Plane
from service.api.security import BEARER, require
from service.errors import DatabaseUnavailableError
from service.settings import Settings

_may_read: Final = require("read")


async def may_scrape(
    request: Request,
    plane: Plane,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER, scopes=["read"])],
) -> None:
    """A dependency that lets a request for the metrics pass, or raises what `require` does.

    The token of `TANDEM_METRICS_TOKEN` can be told without the database. Were it not, an outage of the
    database would look like one of the API.
    """
    try:
        await _may_read(request, plane, bearer)
    except DatabaseUnavailableError:
        if bearer is None or not _is_own(bearer.credentials.strip(), plane.settings):
            raise


def _is_own(token: str, settings: Settings) -> bool:
    own = settings.metrics_token
    return own is not None and secrets.compare_digest(token.encode(), own.get_secret_value().encode())
