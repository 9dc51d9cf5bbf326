"""A limit on the bodies of requests, kept before anything of them is parsed."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import OverloadedError, PayloadTooLargeError, SlowBodyError
from service.http import problems
from service.http.body import read_body
from service.http.body_room import BodyRoom, BodyShare

ADVICE: Final = "no request but those with photos needs more"


class LimitBodies:
    """ASGI middleware: a larger body, one without room, or one not whole in time is answered with a problem.

    Paths that match `but_for` are passed on unread: they have a limit of their own.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, room: BodyRoom, but_for: re.Pattern[str]) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._room = room
        self._but_for = but_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._but_for.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        with BodyShare(self._room) as share:
            request = Request(scope, receive)
            try:
                body = await read_body(request, self._limit_bytes, share, ADVICE)
            except (OverloadedError, PayloadTooLargeError, SlowBodyError) as error:
                answer = await problems.answer_to(request, error)
                await answer(scope, receive, send)
                return
            except ClientDisconnect:
                return
            await self._app(scope, _again(body, receive), send)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands the body out as a whole, and then whatever else the client does."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
