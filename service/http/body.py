"""Reading a request's body without ever holding more of it than is allowed."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import Request

from service.errors import PayloadTooLargeError, SlowBodyError
from service.http.body_room import BodyShare

PHOTOS: Final = "send fewer or smaller photos, or raise TANDEM_MAX_UPLOAD_BYTES"
BODY_SECONDS: Final = 30.0


async def read_body(request: Request, limit_bytes: int, share: BodyShare, advice: str = PHOTOS) -> bytes:
    """The whole body; the share's for as long as it is held.

    Raises `PayloadTooLargeError`, with advice, once it is known to be above the limit, `OverloadedError` once
    there is no room for it, and `SlowBodyError` where it is not whole in time: who sends a byte now and then
    holds no place for ever.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes, advice)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limit_bytes:
                    raise _too_large(limit_bytes, advice)
                share.take(len(chunk))
                body += chunk
    except TimeoutError as error:
        raise SlowBodyError(
            f"{len(body)} bytes of the body came within {BODY_SECONDS:g} s, and not the rest: send it faster"
        ) from error
    return bytes(body)


def _too_large(limit_bytes: int, advice: str) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body is larger than {limit_bytes} bytes: {advice}")
