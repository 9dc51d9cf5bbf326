"""Several serving processes behind one name: each is asked, and one that is gone is gone without a word."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import uvicorn

from service.cluster import replicas, serving
from service.cluster.replicas import Replicas
from service.cluster.serving import ServingClient
from service.errors import ServingUnreachableError

NAME = "serving.test"


class Replica:
    """Answers every request with 200 on an address of loopback, and counts them."""

    def __init__(self, address: str, port: int) -> None:
        self.requests: list[str] = []
        self.released = threading.Event()
        self.released.set()
        replica = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                replica.requests.append(self.path)
                replica.released.wait()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def pair() -> Iterator[tuple[Replica, Replica]]:
    first = Replica("127.0.0.1", 0)
    second = Replica("127.0.0.2", first.port)
    yield first, second
    first.close()
    second.close()


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the resolver says of the name, as Docker's says of a service with replicas."""
    found = ["127.0.0.1", "127.0.0.2"]
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
        if host != NAME:
            return real(host, port, *rest, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return found


@pytest.fixture
def client(pair: tuple[Replica, Replica]) -> Iterator[ServingClient]:
    client = ServingClient(f"http://{NAME}:{pair[0].port}", request_seconds=30)
    yield client
    client.close()


async def ask(client: ServingClient, times: int, *, together: bool) -> None:
    asked = [client.forward("POST", "/api/v1/classify", {}, [], b"photo") for _ in range(times)]
    if together:
        await asyncio.gather(*asked)
    else:
        for each in asked:
            await each
    await client.aclose()


def test_requests_at_the_same_time_are_shared_out(pair, addresses, client) -> None:
    first, second = pair
    asyncio.run(ask(client, 20, together=True))
    assert (len(first.requests), len(second.requests)) == (10, 10)


def test_who_is_slow_is_given_less(pair, addresses, client) -> None:
    slow, quick = pair
    slow.released.clear()

    async def ask_both() -> None:
        stuck = asyncio.create_task(client.forward("POST", "/api/v1/classify", {}, [], b"photo"))
        while not slow.requests:
            await asyncio.sleep(0.01)
        for _ in range(5):
            await client.forward("POST", "/api/v1/classify", {}, [], b"photo")
        slow.released.set()
        await stuck
        await client.aclose()

    asyncio.run(ask_both())
    assert (len(slow.requests), len(quick.requests)) == (1, 5)


def test_where_one_is_gone_the_other_answers(pair, addresses, client) -> None:
    first, second = pair
    first.close()
    asyncio.run(ask(client, 6, together=False))
    assert len(second.requests) == 6


def test_one_that_has_come_is_asked_within_a_second(
    pair, addresses, client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "LOOK_UP_SECONDS", 0.0)
    first, second = pair
    addresses.remove("127.0.0.2")

    async def ask_twice() -> None:
        for _ in range(2):
            await asyncio.gather(*(client.forward("POST", "/x", {}, [], b"") for _ in range(4)))
            addresses.append("127.0.0.2")
        await client.aclose()

    asyncio.run(ask_twice())
    assert (len(first.requests), len(second.requests)) == (6, 2)


def test_a_version_is_loaded_by_all_before_its_alias_moves(pair, addresses, client) -> None:
    client.make_ready("flowers", 2)
    counts = Counter(path for replica in pair for path in replica.requests)
    assert counts == {"/internal/models/flowers/versions/2/load": 2}


def test_with_all_gone_it_is_said(pair, addresses, client) -> None:
    addresses[:] = ["127.0.0.3", "127.0.0.4"]
    with pytest.raises(ServingUnreachableError, match="does not answer"):
        client.make_ready("flowers", 2)
    with pytest.raises(ServingUnreachableError, match="does not answer"):
        asyncio.run(ask(client, 1, together=False))


def test_an_address_is_asked_as_it_is() -> None:
    """Nothing is looked up for it: it is what `tandem up` and most set-ups have."""
    assert Replicas("http://127.0.0.1:8001/").all() == ["http://127.0.0.1:8001"]


def test_a_name_that_means_nothing_is_said() -> None:
    client = ServingClient("http://no-such-host.invalid:1", request_seconds=30)
    with pytest.raises(ServingUnreachableError, match="no-such-host"):
        client.make_ready("flowers", 1)
    client.close()


def test_a_connection_is_let_go_before_serving_closes_it() -> None:
    assert uvicorn.Config("serving").timeout_keep_alive > serving.KEPT_SECONDS
