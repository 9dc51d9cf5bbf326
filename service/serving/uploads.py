"""From a request's body to the photos in it, in memory alone: an upload never touches the disk."""

from __future__ import annotations

import base64
import binascii
import itertools
import math
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, parse_options_header

from service.domain.classification import MAX_PHOTOS
from service.errors import FieldProblem, InvalidSpecError, PayloadTooLargeError
from service.serving.breadth import refuse_broad

# Fields of other names are left out, but looking at each takes time.
_MOST_PARTS: Final = 4 * MAX_PHOTOS


class _Instance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    b64: str


class _Instances(BaseModel):
    model_config = ConfigDict(extra="forbid")

    instances: list[_Instance] = Field(min_length=1)


def photos_in(body: bytes, content_type: str | None) -> list[bytes]:
    """The files of one request: a multipart form's, a JSON document's, or the body itself.

    The content type is asked only where a form's parts end; a JSON document is known by its brace. Raises
    `InvalidSpecError` for a form or a document that is not as it should be, and `PayloadTooLargeError` for
    more than `MAX_PHOTOS`, or far more that is none.
    """
    if content_type and content_type.lower().startswith("multipart/form-data"):
        return _from_form(body, content_type)
    if body.lstrip()[:1] == b"{":
        return _from_document(body)
    return [body]


def _from_form(body: bytes, content_type: str) -> list[bytes]:
    files: list[File] = []
    parts = itertools.count(1)
    ends: list[bool] = []

    def on_part(_: object) -> None:
        if next(parts) > _MOST_PARTS:
            raise PayloadTooLargeError(f"a form of more than {_MOST_PARTS} parts: send fewer in each")

    def on_file(file: File) -> None:
        on_part(file)
        if file.field_name == b"file":
            _refuse_more_than(MAX_PHOTOS, len(files) + 1)
            files.append(file)

    _, parameters = parse_options_header(content_type)
    try:
        parser = FormParser(
            "multipart/form-data",
            on_field=on_part,
            on_file=on_file,
            on_end=lambda: ends.append(True),
            boundary=parameters.get(b"boundary"),
            config={"MAX_MEMORY_FILE_SIZE": math.inf},
        )
        parser.write(body)
    except FormParserError as error:
        raise InvalidSpecError([FieldProblem("body", f"not a multipart form: {error}")]) from error
    if not ends:
        raise InvalidSpecError([FieldProblem("body", "the multipart form breaks off before its end")])
    if not files:
        raise InvalidSpecError([FieldProblem("file", "the form has no file of this name")])
    return [_content(file) for file in files]


def _content(file: File) -> bytes:
    file.file_object.seek(0)
    return file.file_object.read()


def _from_document(body: bytes) -> list[bytes]:
    refuse_broad(body)
    try:
        document = _Instances.model_validate_json(body)
    except ValidationError as error:
        raise InvalidSpecError(
            [
                FieldProblem(".".join(map(str, entry["loc"])) or "body", entry["msg"])
                for entry in error.errors()
            ]
        ) from error
    _refuse_more_than(MAX_PHOTOS, len(document.instances))
    return [_decoded(number, instance.b64) for number, instance in enumerate(document.instances)]


def _decoded(number: int, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSpecError([FieldProblem(f"instances.{number}.b64", f"not base64: {error}")]) from error


def _refuse_more_than(limit: int, photos: int) -> None:
    if photos > limit:
        raise PayloadTooLargeError(f"more than {limit} photos in one request: send them in several")
