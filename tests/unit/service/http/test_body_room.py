"""Bodies together have only so much room: who comes when it is full is told so, and room comes back."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from service.errors import OverloadedError
from service.http import body, body_room
from service.http.body import read_body
from service.http.body_room import BodyRoom, BodyShare

MEBIBYTE = 2**20


@pytest.fixture(autouse=True)
def room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than one of the largest bodies has, and time enough on a busy machine."""
    monkeypatch.setattr(body_room, "ROOM_BYTES", 0)
    monkeypatch.setattr(body, "BODY_SECONDS", 600)


class Serving:
    """Reads what is sent to it, and answers when it is let; or goes without a word."""

    def __init__(self) -> None:
        self.read = threading.Event()
        self.released = threading.Event()
        self.goes = False
        serving = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                serving.read.set()
                serving.released.wait()
                if not serving.goes:
                    self.send_response(200)
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def serving() -> Iterator[Serving]:
    with closing(Serving()) as serving:
        yield serving


@pytest.fixture
def api(live_server, serving: Serving, tmp_path: Path):
    """A control plane in front of it, which takes bodies of 20 MiB."""
    return live_server(tmp_path / "home", f"sqlite:///{tmp_path / 'tandem.db'}", serving_url=serving.url)


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


def send(api, path: str, declared: int, sent: int) -> socket.socket:
    """A request whose body is not whole where it is declared to be longer than what is sent."""
    there = urlsplit(api.url)
    connection = socket.create_connection((there.hostname, there.port), timeout=60)
    head = f"POST /api/v1{path} HTTP/1.1\r\nHost: {there.netloc}\r\nContent-Length: {declared}\r\n\r\n"
    connection.sendall(head.encode() + bytes(sent))
    return connection


def begin(api, path: str, declared: int, sent: int) -> socket.socket:
    """The same, once the API has left those before it and has read what is sent."""
    until(lambda: api.plane.body_room.held_bytes == 0)
    connection = send(api, path, declared, sent)
    until(lambda: api.plane.body_room.held_bytes == sent)
    return connection


def classify(api, size_bytes: int) -> httpx.Response:
    return httpx.post(f"{api.url}/api/v1/classify", content=bytes(size_bytes), timeout=60)


def assert_overloaded(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0


def in_chunks(*chunks: bytes) -> Request:
    left = iter(chunks)

    async def receive() -> Message:
        chunk = next(left, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def test_what_one_holds_another_is_refused_until_it_is_given_back() -> None:
    room = BodyRoom(100)

    async def read(size_bytes: int) -> None:
        with BodyShare(room) as share:
            await read_body(in_chunks(bytes(40), bytes(size_bytes - 40)), 100, share)

    with BodyShare(room) as held:
        held.take(30)
        asyncio.run(read(70))
        with pytest.raises(OverloadedError, match="hold 70 bytes"):
            asyncio.run(read(71))
        assert room.held_bytes == 30
    asyncio.run(read(100))
    assert room.held_bytes == 0


def test_uploads_without_room_are_refused_and_those_that_have_it_go_on(api, serving: Serving) -> None:
    serving.released.set()
    with closing(begin(api, "/classify", 16 * MEBIBYTE, 15 * MEBIBYTE)) as first:
        assert_overloaded(classify(api, 6 * MEBIBYTE))
        assert classify(api, 4 * MEBIBYTE).status_code == 200
        first.sendall(bytes(MEBIBYTE))
        assert first.makefile("rb").readline().split()[1] == b"200"
    assert classify(api, api.settings.max_upload_bytes).status_code == 200
    assert api.plane.body_room.held_bytes == 0


def test_bodies_of_other_routes_count_and_requests_without_any_are_answered(api) -> None:
    largest = api.settings.max_upload_bytes
    with closing(begin(api, "/classify", largest, largest - 1000)):
        run = b'{"dataset": "absent"}'
        answer = httpx.post(f"{api.url}/api/v1/runs", content=run.ljust(2000), timeout=60)
        assert_overloaded(answer)
        assert httpx.get(f"{api.url}/api/v1/runs").status_code == 200
    with closing(begin(api, "/runs", MEBIBYTE, MEBIBYTE - 1)):
        assert_overloaded(classify(api, largest))


def test_who_goes_before_the_body_is_whole_leaves_the_room(api) -> None:
    for path in ("/classify", "/runs"):
        with closing(begin(api, path, 1000, 999)):
            pass
        until(lambda: api.plane.body_room.held_bytes == 0)


def test_who_is_too_slow_or_sends_too_much_leaves_the_room(api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.5)
    for path in ("/classify", "/runs"):
        with closing(send(api, path, 1000, 999)) as connection:
            assert connection.makefile("rb").readline().split()[1] == b"408"
        until(lambda: api.plane.body_room.held_bytes == 0)
    monkeypatch.setattr(body, "BODY_SECONDS", 600)
    too_much = (bytes(MEBIBYTE) for _ in range(21))
    assert httpx.post(f"{api.url}/api/v1/classify", content=too_much, timeout=60).status_code == 413
    assert api.plane.body_room.held_bytes == 0


@pytest.mark.parametrize(("goes", "status"), [(False, 200), (True, 503)])
def test_room_is_held_until_serving_has_answered(api, serving: Serving, goes: bool, status: int) -> None:
    serving.goes = goes
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(classify, api, 5 * MEBIBYTE)
        serving.read.wait()
        assert api.plane.body_room.held_bytes == 5 * MEBIBYTE
        assert_overloaded(classify(api, 16 * MEBIBYTE))
        serving.released.set()
        assert answer.result().status_code == status
    assert api.plane.body_room.held_bytes == 0


def test_room_is_held_for_who_has_gone_while_serving_is_at_it(api, serving: Serving) -> None:
    with closing(begin(api, "/classify", MEBIBYTE, MEBIBYTE)):
        serving.read.wait()
    assert_overloaded(classify(api, api.settings.max_upload_bytes))
    serving.released.set()
    until(lambda: api.plane.body_room.held_bytes == 0)


def test_what_is_refused_for_its_parameters_is_not_read(api) -> None:
    largest = api.settings.max_upload_bytes
    with closing(begin(api, "/classify", largest, largest)):
        answer = httpx.post(f"{api.url}/api/v1/classify?top_k=none", content=bytes(1000), timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
