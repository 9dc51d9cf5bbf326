"""The three forms an upload comes in carry the same photos; what is none of them is refused by name."""

from __future__ import annotations

import base64
import json
import random
import tempfile

import httpx
import pytest

from service.domain.classification import MAX_PHOTOS
from service.errors import InvalidSpecError, PayloadTooLargeError
from service.serving.uploads import photos_in

RANDOM = random.Random(0)
PHOTOS = [RANDOM.randbytes(10), b"", RANDOM.randbytes(3 * 2**20)]


def parsed(body: bytes, content_type: str | None = None) -> list[bytes]:
    return photos_in(body, content_type)


def form(photos: list[bytes], field: str = "file") -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://here", files=[(field, ("name.jpg", data)) for data in photos])
    return request.read(), request.headers["content-type"]


def document(photos: list[bytes]) -> bytes:
    return json.dumps({"instances": [{"b64": base64.b64encode(data).decode()} for data in photos]}).encode()


def problem_fields(body: bytes, content_type: str | None = None) -> list[str]:
    with pytest.raises(InvalidSpecError) as caught:
        parsed(body, content_type)
    return [problem.field for problem in caught.value.problems]


def test_a_form_gives_its_files_in_order() -> None:
    assert parsed(*form(PHOTOS)) == PHOTOS


def test_a_document_gives_its_instances_in_order() -> None:
    assert parsed(document(PHOTOS), "application/json") == PHOTOS


@pytest.mark.parametrize("content_type", [None, "image/jpeg", "application/json", "text/plain"])
def test_any_other_body_is_one_photo_whatever_its_content_type_says(content_type: str | None) -> None:
    photo = b"\xff\xd8\xff" + RANDOM.randbytes(100)
    assert parsed(photo, content_type) == [photo]


def test_a_document_is_one_whatever_its_content_type_says() -> None:
    assert parsed(document(PHOTOS), "application/x-www-form-urlencoded") == PHOTOS


def test_an_upload_of_megabytes_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    for kind in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, kind, lambda *_, **__: opened.append(1))
    assert parsed(*form(PHOTOS)) == PHOTOS
    assert opened == []


def test_a_form_without_such_a_file_is_refused_naming_it() -> None:
    assert problem_fields(*form(PHOTOS, field="picture")) == ["file"]


@pytest.mark.parametrize("cut", [0, 30, 200, 1500, -10])
def test_half_a_form_is_refused(cut: int) -> None:
    body, content_type = form([RANDOM.randbytes(1000), RANDOM.randbytes(1000)])
    assert problem_fields(body[:cut], content_type) == ["body"]


def test_a_form_without_a_boundary_is_refused() -> None:
    body, _ = form(PHOTOS)
    assert problem_fields(body, "multipart/form-data") == ["body"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"instances": []}', ["instances"]),
        ('{"instances": [{"b64": "aGk="}, {"b64": "not base64!"}]}', ["instances.1.b64"]),
        ('{"instances": [{"b64": "aGk"}]}', ["instances.0.b64"]),
        ('{"instances": [{"url": "http://elsewhere"}]}', ["instances.0.b64", "instances.0.url"]),
        ('{"photos": []}', ["instances", "photos"]),
        ('{"instances": [', ["body"]),
    ],
)
def test_a_document_that_is_not_as_it_should_be_is_refused_naming_the_field(
    text: str, fields: list[str]
) -> None:
    assert problem_fields(text.encode(), "application/json") == fields


def test_more_photos_than_one_request_may_carry_are_refused() -> None:
    assert len(parsed(*form([b"photo"] * MAX_PHOTOS))) == MAX_PHOTOS
    with pytest.raises(PayloadTooLargeError):
        parsed(*form([b"photo"] * (MAX_PHOTOS + 1)))


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances":[' + b",".join([b"1"] * 100_000) + b"]}",
        b'{"instances":[{"b64":"",' + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}]}",
        b'{"instances":' + b"[" * 100_000,
    ],
    ids=["numbers", "members", "lists"],
)
def test_a_document_with_far_more_in_it_than_photos_is_not_parsed(body: bytes) -> None:
    with pytest.raises(PayloadTooLargeError):
        parsed(body)


@pytest.mark.parametrize("parts", [{"data": {f"field-{n}": "1" for n in range(300)}}, {"data": {}}])
def test_parts_of_other_names_are_counted_too(parts: dict[str, dict[str, str]]) -> None:
    others = [("other", ("name.jpg", b"photo"))] * (0 if parts["data"] else 300)
    files = [("file", ("name.jpg", b"photo")), *others]
    request = httpx.Request("POST", "http://here", data=parts["data"], files=files)
    with pytest.raises(PayloadTooLargeError, match="parts"):
        parsed(request.read(), request.headers["content-type"])
