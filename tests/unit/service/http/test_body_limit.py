"""A request's body is read to the limit and not a chunk further."""

from __future__ import annotations

import asyncio
from itertools import repeat

import pytest
from starlette.requests import Request
from starlette.types import Message

from service.errors import PayloadTooLargeError
from service.http.body import read_body
from service.http.body_room import BodyRoom, BodyShare

CHUNK = b"x" * 100


class Sender:
    """Sends chunks as a server passes them on, and counts them."""

    def __init__(self, chunks: int | None, declared: int | None = None) -> None:
        self._chunks = repeat(CHUNK) if chunks is None else repeat(CHUNK, chunks)
        self.sent = 0
        headers = [] if declared is None else [(b"content-length", str(declared).encode())]
        self.request = Request({"type": "http", "method": "POST", "headers": headers}, self._receive)

    async def _receive(self) -> Message:
        chunk = next(self._chunks, None)
        self.sent += chunk is not None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}


def read(sender: Sender) -> bytes:
    with BodyShare(BodyRoom(1000)) as share:
        return asyncio.run(read_body(sender.request, 1000, share))


def test_a_body_of_the_limit_is_whole() -> None:
    assert read(Sender(10, declared=1000)) == CHUNK * 10


def test_a_body_that_says_it_is_too_large_is_not_read_at_all() -> None:
    sender = Sender(11, declared=1001)
    with pytest.raises(PayloadTooLargeError):
        read(sender)
    assert sender.sent == 0


@pytest.mark.parametrize("declared", [None, 10])
def test_a_body_without_end_is_read_one_chunk_past_the_limit(declared: int | None) -> None:
    sender = Sender(None, declared)
    with pytest.raises(PayloadTooLargeError):
        read(sender)
    assert sender.sent == 11
