"""`python clients.py URL FORM PHOTOS EXPECTED CLIENTS WARM_UP SECONDS REQUESTS`: clients in closed loop.

So many connections, kept alive, each of which posts a photo, reads the answer and posts the next. FORM is raw
for a photo as the body, or the name of the form's field that holds it. PHOTOS is a folder; EXPECTED a JSON
file, an object of the photos' names and what should come out first: a class and its probability.

Clients go on for the seconds after the warm-up, and until what was being answered at their end has been. With
REQUESTS other than 0 they go on until so many are answered, however long that takes.

Prints {"images_per_second", "p50_milliseconds", "p99_milliseconds", "not_ok", "wrong"} of what was answered
after the warm-up, and "clients_cpu_share", how much of a core the clients took themselves. An answer counts
in the rate by the part of its time that lies in these seconds: where answers come in batches, the clock's cut
decides nothing.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import re
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

HTTP_OK: Final = 200
# Networks may add in another order in batches of another size.
TOLERANCE: Final = 1e-3

_BOUNDARY: Final = "here-ends-the-photo"
_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FIRST: Final = re.compile(rb'"index": *(\d+).*?"probability": *([-+.\de]+)', re.DOTALL)


class Post(NamedTuple):
    """A whole request, and the class and probability that should come out first."""

    request: bytes
    index: int
    probability: float

    def is_answered_by(self, body: bytes) -> bool:
        first = _FIRST.search(body)
        return (
            first is not None
            and int(first[1]) == self.index
            and math.isclose(float(first[2]), self.probability, rel_tol=TOLERANCE)
        )


class Load:
    """What all clients share: what they post, when they end, and what became of it."""

    def __init__(
        self, posts: list[Post], clients: int, warm_up: float, seconds: float, requests: int
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.posts = posts
        self.begins = self.loop.time() + warm_up
        self.ends = math.inf if requests else self.begins + seconds
        self.answered = self.not_ok = self.wrong = 0
        # Of each right answer, when it was asked for and when it came.
        self.right: list[tuple[float, float]] = []
        self.over = asyncio.Event()
        self._requests = requests
        self._beyond: set[int] = set()
        self._began, self._cpu = self.loop.time(), time.process_time()
        self._clients = clients

    def take(self, client: int, post: Post, posted: float, status: int, body: bytes) -> None:
        now = self.loop.time()
        if now >= self.begins and posted < self.ends:
            self.answered += 1
            if status != HTTP_OK:
                self.not_ok += 1
            elif not post.is_answered_by(body):
                self.wrong += 1
            else:
                self.right.append((posted, now))
        if now >= self.ends:
            self._beyond.add(client)
        if len(self._beyond) == self._clients or (self._requests and self.answered >= self._requests):
            self.over.set()

    def figures(self) -> dict[str, float]:
        ends = min(self.ends, self.loop.time())
        done = sum((min(came, ends) - max(asked, self.begins)) / (came - asked) for asked, came in self.right)
        seconds = sorted(came - asked for asked, came in self.right) or [math.nan]
        return {
            "images_per_second": done / (ends - self.begins),
            "p50_milliseconds": 1000 * seconds[math.ceil(len(seconds) * 0.50) - 1],
            "p99_milliseconds": 1000 * seconds[math.ceil(len(seconds) * 0.99) - 1],
            "not_ok": self.not_ok,
            "wrong": self.wrong,
            "clients_cpu_share": (time.process_time() - self._cpu) / (self.loop.time() - self._began),
        }


class Client(asyncio.Protocol):
    """One connection, which posts for as long as the load lasts."""

    def __init__(self, load: Load, number: int, first: int) -> None:
        self._load, self._number, self._next = load, number, first
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._post_next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = bytes(self._received).partition(_HEAD_END)
        length = _LENGTH.search(head)
        if found and (len(body) >= int(length[1]) if length else body.endswith(_LAST_CHUNK)):
            self._received.clear()
            status = int(head.split(b" ", 2)[1])
            self._load.take(self._number, self._post, self._posted, status, body)
            if not self._load.over.is_set():
                self._post_next()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._load.over.is_set():
            sys.exit("clients: the server has closed a connection that was waiting for its answer")

    def _post_next(self) -> None:
        self._post = self._load.posts[self._next % len(self._load.posts)]
        self._next += 1
        self._posted = self._load.loop.time()
        self.transport.write(self._post.request)


def posts_to(url: str, form: str, folder: Path, expected: Path) -> list[Post]:
    return [
        Post(request_of(url, form, (folder / name).read_bytes()), index, probability)
        for name, (index, probability) in json.loads(expected.read_text()).items()
    ]


def request_of(url: str, form: str, photo: bytes) -> bytes:
    address = urlsplit(url)
    body, content_type = photo, "image/jpeg"
    if form != "raw":
        body, content_type = in_form(form, photo), f"multipart/form-data; boundary={_BOUNDARY}"
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def in_form(field: str, photo: bytes) -> bytes:
    head = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + photo + f"\r\n--{_BOUNDARY}--\r\n".encode()


async def main() -> None:
    url, form, folder, expected, *numbers = sys.argv[1:]
    clients, warm_up, seconds, requests = int(numbers[0]), *map(float, numbers[1:3]), int(numbers[3])
    address = urlsplit(url)
    posts = posts_to(url, form, Path(folder), Path(expected))
    load = Load(posts, clients, warm_up, seconds, requests)

    async def connect(number: int) -> Client:
        # Not all of them with the same photo.
        first = number * len(posts) // clients
        _, client = await load.loop.create_connection(
            lambda: Client(load, number, first), address.hostname, address.port
        )
        return client

    connected = [await connect(number) for number in range(clients)]
    await load.over.wait()
    print(json.dumps(load.figures()))
    for client in connected:
        client.transport.abort()


# What the collector of garbage takes is the clients' own time, not the server's.
gc.disable()
asyncio.run(main())
