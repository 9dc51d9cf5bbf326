"""Each request by an id, and each change by who asked for it."""

from __future__ import annotations

import re
import uuid
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

REQUEST_ID: Final = "X-Request-Id"
_ACCEPTED_ID: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class TraceRequests:
    """ASGI middleware: every answer carries X-Request-Id, the client's own where it gave a sane one.

    What is logged while a request is answered carries it too. A request that may change something leaves one
    line of audit: who, what, from where, and how it ended.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 500

        async def traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, traced)
            except Exception:
                log.exception("request_failed", method=scope["method"], path=scope["path"])
                raise
            finally:
                if scope["method"] not in _READS:
                    client = scope["client"]
                    log.info(
                        "audit",
                        caller=state.get("caller"),
                        method=scope["method"],
                        path=scope["path"],
                        status=status,
                        address=client[0] if client else None,
                    )
