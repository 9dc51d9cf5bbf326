"""Bad photos and bad senders: each is refused in a problem document, and the next good request answered."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest
from bad_photos import REFUSED, png

from model.classifier import Classifier
from service.domain.job import Job
from service.http import body, body_room
from service.operations.models import ModelOperations
from service.serving.app import create_app
from service.settings import Settings
from service.store.models import ModelStore

Paint = Callable[..., bytes]
Post = Callable[..., httpx.Response]
Serve = Callable[..., AbstractContextManager[str]]

STATUS_OF = {
    "empty": (415, "unsupported_image"),
    "not_an_image": (415, "unsupported_image"),
    "corrupt": (422, "undecodable_image"),
    "too_many_pixels": (413, "payload_too_large"),
    "too_many_scans": (422, "undecodable_image"),
    "unsupported_pixels": (422, "undecodable_image"),
}
# PPM is nothing that a browser or a phone sends.
NOT_SENT = {"PPM bomb": (415, "unsupported_image")}
MUTATED = int(os.environ.get("MUTATED_PHOTOS", "1000"))
SHARE_OF_BOMB_BYTES = 100 * 2**20

# Pillow warns of some damage before it gives up.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@pytest.fixture
def published(models: ModelOperations, store: ModelStore, run: Job) -> Classifier:
    models.publish("colours", run)
    return Classifier.load(store.folder("colours", 1))


@pytest.fixture
def still_right(published: Classifier, post: Post, photo: Paint) -> Iterator[None]:
    """Whatever was sent before, a good photo is answered as it should be."""
    yield
    response = post("/api/v1/classify", content=photo(5))
    best, *_ = response.json()["predictions"][0]["top_k"]
    expected, *_ = published.classify(photo(5))
    assert (response.status_code, best["index"]) == (200, expected.index)


@pytest.mark.usefixtures("still_right")
def test_every_bad_photo_is_refused_with_what_is_wrong(post: Post) -> None:
    for name, (make, reason) in REFUSED.items():
        response = post("/api/v1/classify", content=make())
        problem = response.json()
        expected = NOT_SENT.get(name, STATUS_OF[reason])
        assert (response.status_code, problem["code"]) == expected, (name, problem)
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("still_right")
def test_a_decompression_bomb_moves_no_memory(post: Post) -> None:
    """Half a gigapixel of zeros in as many bytes as a photo: refused for what its header says."""
    process = psutil.Process()
    bomb = png(25_000, 20_000, 8, 2, bytes(50_000_000))
    before = process.memory_info().rss
    for _ in range(3):
        response = post("/api/v1/classify", content=bomb)
        assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")
    assert process.memory_info().rss - before < SHARE_OF_BOMB_BYTES


@pytest.mark.usefixtures("still_right")
def test_mutated_photos_are_answered_or_refused_and_nothing_else(post: Post, photo: Paint) -> None:
    """Bytes changed, cut out and doubled, by seed; MUTATED_PHOTOS says how many."""
    random = np.random.default_rng(2012)
    found: dict[int, int] = {}
    for number in range(MUTATED):
        response = post("/api/v1/classify", content=mutated(photo(number % 7), random))
        found[response.status_code] = found.get(response.status_code, 0) + 1
        if response.status_code != 200:
            assert response.headers["content-type"] == "application/problem+json"
    assert set(found) <= {200, 413, 415, 422}
    assert {200, 422} <= set(found)


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(random.integers(1, 6)):
        place = int(random.integers(len(changed)))
        match random.integers(4):
            case 0:
                changed[place] = random.integers(256)
            case 1:
                changed[place] ^= 1 << int(random.integers(8))
            case 2:
                del changed[place : place + int(random.integers(1, 40))]
            case 3:
                changed[place:place] = changed[place : place + int(random.integers(1, 40))]
        if not changed:
            break
    return bytes(changed)


@pytest.mark.usefixtures("still_right")
@pytest.mark.parametrize(
    ("content_type", "content", "code"),
    [
        ("multipart/form-data", b"--x\r\n", "invalid_spec"),
        ("multipart/form-data; boundary=x", b"no form at all", "invalid_spec"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"',
            "invalid_spec",
        ),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--\r\n", "invalid_spec"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x--", "invalid_spec"),
        ("application/json", b'{"instances": [{"b64": 3}]}', "invalid_spec"),
        ("application/json", b'{"instances": [{"b64": "AAAA"}', "invalid_spec"),
        ("application/json", b"{" * 1000, "invalid_spec"),
    ],
)
def test_a_form_or_document_that_is_none_is_refused(
    post: Post, content_type: str, content: bytes, code: str
) -> None:
    response = post("/api/v1/classify", content=content, headers={"Content-Type": content_type})
    assert (response.status_code, response.json()["code"]) == (422, code), response.text


@pytest.mark.usefixtures("still_right")
def test_a_thousand_photos_in_one_request_are_refused(post: Post, photo: Paint) -> None:
    tiny = photo(1, size=(8, 8))
    response = post("/api/v1/classify", files=[("file", ("p", tiny, "image/jpeg"))] * 1000)
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def begin(url: str, length: int, first: bytes = b"") -> socket.socket:
    """A request to classify whose header is sent, and of its body no more than that."""
    there = urlsplit(url)
    connection = socket.create_connection((there.hostname, there.port), timeout=60)
    header = f"POST /api/v1/classify HTTP/1.1\r\nHost: {there.netloc}\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(header.encode() + first)
    return connection


@pytest.mark.usefixtures("still_right")
def test_who_sends_half_a_body_and_goes_leaves_nothing_behind(
    serving_url: str, photo: Paint, published: Classifier
) -> None:
    for _ in range(20):
        with closing(begin(serving_url, len(photo(1)))) as connection:
            connection.sendall(photo(1)[:100])
    text = httpx.get(f"{serving_url}/metrics").text
    assert "tandem_photos_waiting 0.0" in text
    assert 'status="500"' not in text


def test_uploads_beyond_the_room_are_refused_and_room_comes_back(
    published: Classifier, settings: Settings, serve: Serve, photo: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_room, "ROOM_BYTES", 0)
    monkeypatch.setattr(body, "BODY_SECONDS", 600)
    app = create_app(settings)
    with serve(app) as url, httpx.Client(base_url=url, timeout=60) as http:
        with closing(begin(url, settings.max_upload_bytes)) as connection:
            connection.sendall(bytes(settings.max_upload_bytes - 100))
            while app.state.body_room.held_bytes < settings.max_upload_bytes - 100:
                time.sleep(0.01)
            for path in ("/api/v1/classify", "/api/v1/embed", "/v2/models/colours/infer"):
                refused = http.post(path, content=photo(1))
                assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
                assert int(refused.headers["retry-after"]) > 0
            assert http.get("/v2/models/colours").status_code == 200
        while app.state.body_room.held_bytes:
            time.sleep(0.01)
        assert http.post("/api/v1/classify", content=photo(1)).status_code == 200
        assert http.post("/v2/models/colours/infer", content=b"{").status_code == 422
        while app.state.body_room.held_bytes:
            time.sleep(0.01)


@pytest.mark.usefixtures("still_right")
def test_who_sends_too_slowly_is_told_and_shut_out(
    serving_url: str, published: Classifier, photo: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 2)
    data = photo(1)
    with closing(begin(serving_url, len(data), data[:100])) as connection:
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 408")
    assert '"code":"slow_body"' in answer
    assert "100 bytes of the body came" in answer
