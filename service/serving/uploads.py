"""From a request's body to the photos in it, in memory alone: an upload never touches the disk."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import FieldProblem, InvalidSpecError, PayloadTooLargeError

MAX_PHOTOS = 64


class _Instance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    b64: str


class _Instances(BaseModel):
    model_config = ConfigDict(extra="forbid")

    instances: list[_Instance] = Field(min_length=1)


class _MemoryParser(MultiPartParser):
    # Starlette spools a file above a megabyte to disk; 0 means never.
    spool_max_size = 0


async def photos_in(body: bytes, content_type: str | None) -> list[bytes]:
    """The files of one request: a multipart form's, a JSON document's, or the body itself.

    The content type is asked only where a form's parts end; a JSON document is known by its brace. Raises
    `InvalidSpecError` for a form or a document that is not as it should be, and `PayloadTooLargeError` for
    more than `MAX_PHOTOS`.
    """
    if content_type and content_type.lower().startswith("multipart/form-data"):
        photos = await _from_form(body, content_type)
    elif body.lstrip()[:1] == b"{":
        photos = _from_document(body)
    else:
        photos = [body]
    if len(photos) > MAX_PHOTOS:
        raise PayloadTooLargeError(f"{len(photos)} photos in one request: send at most {MAX_PHOTOS} at a time")
    return photos


async def _from_form(body: bytes, content_type: str) -> list[bytes]:
    async def whole() -> AsyncGenerator[bytes]:
        yield body

    try:
        form = await _MemoryParser(Headers({"Content-Type": content_type}), whole()).parse()
    except MultiPartException as error:
        raise InvalidSpecError([FieldProblem("body", f"not a multipart form: {error.message}")]) from error
    files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
    if not files:
        raise InvalidSpecError([FieldProblem("file", "the form has no file of this name")])
    return [await file.read() for file in files]


def _from_document(body: bytes) -> list[bytes]:
    try:
        document = _Instances.model_validate_json(body)
    except ValidationError as error:
        raise InvalidSpecError(
            [
                FieldProblem(".".join(map(str, entry["loc"])) or "body", entry["msg"])
                for entry in error.errors()
            ]
        ) from error
    return [_decoded(number, instance.b64) for number, instance in enumerate(document.instances)]


def _decoded(number: int, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSpecError([FieldProblem(f"instances.{number}.b64", f"not base64: {error}")]) from error
