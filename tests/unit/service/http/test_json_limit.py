"""What the API's own routes read is bounded, whether a request tells its length or not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest

from service.http import body

LIMIT = 2**20

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def spec(size_bytes: int) -> bytes:
    """A run's specification of exactly this size: JSON may end in blanks."""
    return b'{"dataset": "absent"}'.ljust(size_bytes)


def in_chunks(body: bytes) -> Iterator[bytes]:
    """httpx sends an iterator as chunks, with no Content-Length."""
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


def post(server, path: str, content: bytes | Iterator[bytes]) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return httpx.post(f"{server.url}/api/v1{path}", content=content, headers=headers, timeout=60)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_the_limit_is_read_and_one_byte_more_is_refused(server, chunked: bool) -> None:
    def sent(size_bytes: int) -> httpx.Response:
        return post(server, "/runs", in_chunks(spec(size_bytes)) if chunked else spec(size_bytes))

    assert sent(LIMIT).json()["code"] == "not_found"
    refused = sent(LIMIT + 1)
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "payload_too_large"
    assert str(LIMIT) in refused.json()["detail"]
    assert refused.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/datasets"),
        ("POST", "/runs/absent/stop"),
        ("PUT", "/models/a/aliases/classify"),
        ("DELETE", "/runs/absent"),
        ("GET", "/runs"),
    ],
)
def test_no_route_reads_more(server, method: str, path: str) -> None:
    answer = httpx.request(method, f"{server.url}/api/v1{path}", content=in_chunks(spec(LIMIT + 1)))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_photos_have_a_limit_of_their_own(server) -> None:
    for path in ("/classify", "/models/a/classify", "/models/a/versions/1/classify"):
        answer = post(server, path, in_chunks(spec(LIMIT + 1)))
        assert (answer.status_code, answer.json()["code"]) == (503, "serving_unreachable")
    refused = post(server, "/classify", spec(server.settings.max_upload_bytes + 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    assert "TANDEM_MAX_UPLOAD_BYTES" in refused.json()["detail"]


def test_a_refused_body_counts_as_a_request(server) -> None:
    post(server, "/runs", spec(LIMIT + 1))
    assert 'status="413"' in httpx.get(f"{server.url}/metrics").text


def test_a_body_that_does_not_come_is_not_waited_for(server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.2)
    there = urlsplit(server.url)
    with closing(socket.create_connection((there.hostname, there.port), timeout=60)) as connection:
        head = f"POST /api/v1/runs HTTP/1.1\r\nHost: {there.netloc}\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 408")
    assert '"code":"slow_body"' in answer
