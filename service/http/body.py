"""Reading a request's body without ever holding more of it than is allowed."""

from __future__ import annotations

from fastapi import Request

from service.errors import PayloadTooLargeError

PHOTOS = "send fewer or smaller photos, or raise TANDEM_MAX_UPLOAD_BYTES"


async def read_body(request: Request, limit_bytes: int, advice: str = PHOTOS) -> bytes:
    """The whole body. Raises `PayloadTooLargeError`, with advice, once it is known to be above the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes, advice)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes, advice)
    return bytes(body)


def _too_large(limit_bytes: int, advice: str) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body is larger than {limit_bytes} bytes: {advice}")
