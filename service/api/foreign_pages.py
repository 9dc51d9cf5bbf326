"""Web pages of others, which a browser lets send simple requests to this machine without asking it first."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ForbiddenError
from service.http import problems

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class RefuseForeignPages:
    """ASGI middleware for a server that asks for no token: its own pages change things, and `allowed` ones.

    A browser keeps what was read from a page of another origin; it does not keep a page from sending.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READS:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        origin = request.headers.get("origin")
        if (
            origin is None
            or origin in self._allowed
            or urlsplit(origin).netloc == request.headers.get("host")
        ):
            await self._app(scope, receive, send)
            return
        refusal = ForbiddenError(
            f"a web page of {origin} may change nothing here: name its origin in TANDEM_CORS_ORIGINS"
        )
        answer = await problems.answer_to(request, refusal)
        await answer(scope, receive, send)
