"""Tensors of the Open Inference Protocol on the wire: JSON alone, or JSON and then raw bytes."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from service.domain.open_inference import InferRequest, InputTensor, OutputTensor, TensorParameters
from service.errors import FieldProblem, InvalidSpecError
from service.serving.breadth import refuse_broad

# What precedes each element of BYTES.
_LENGTH: Final = struct.Struct("<I")
_MOST_DIGITS: Final = 20


class Inference(NamedTuple):
    """A request, and the photo files in it."""

    request: InferRequest
    photos: list[bytes]


def read_request(body: bytes, header_length: str | None) -> Inference:
    """From a body, of which the first `header_length` bytes are JSON where it is not all JSON.

    Raises `InvalidSpecError` naming what is wrong, and `PayloadTooLargeError` for a document with far more in
    it than photos.
    """
    json_bytes = len(body) if header_length is None else _parsed(header_length, len(body))
    document = body[:json_bytes]
    refuse_broad(document)
    try:
        request = InferRequest.model_validate_json(document)
    except ValidationError as error:
        problems = [
            FieldProblem(".".join(map(str, entry["loc"])) or "body", entry["msg"]) for entry in error.errors()
        ]
        raise InvalidSpecError(problems) from error
    (tensor,) = request.inputs
    photos = _photos(tensor, body[json_bytes:])
    if len(photos) != tensor.shape[0]:
        there = "more" if len(photos) > tensor.shape[0] else len(photos)
        raise _refusal(f"shape is {tensor.shape}, but there are {there} photos")
    return Inference(request, photos)


def _parsed(header_length: str, body_bytes: int) -> int:
    # Of thousands of digits int() makes no number.
    is_number = header_length.isdecimal() and len(header_length) <= _MOST_DIGITS
    if not is_number or int(header_length) > body_bytes:
        problem = f"{header_length[:_MOST_DIGITS]!r} is no number of bytes of a body of {body_bytes}"
        raise InvalidSpecError([FieldProblem("Inference-Header-Content-Length", problem)])
    return int(header_length)


def _photos(tensor: InputTensor, raw: bytes) -> list[bytes]:
    size = tensor.parameters.binary_data_size
    if (tensor.data is None) == (size is None):
        raise _refusal("give either data, or parameters.binary_data_size and the bytes after the JSON")
    if tensor.data is not None:
        return [_decoded(place, text) for place, text in enumerate(tensor.data)]
    if size != len(raw):
        raise _refusal(f"binary_data_size is {size}, but {len(raw)} bytes follow the JSON")
    # One more than there should be is enough to refuse them.
    return list(islice(_elements(raw), tensor.shape[0] + 1))


def _decoded(place: int, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refusal(f"data.{place} is not base64: {error}") from error


def _elements(raw: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(raw):
        if place + _LENGTH.size > len(raw):
            raise _refusal("its bytes break off within the length of an element")
        (length,) = _LENGTH.unpack_from(raw, place)
        place += _LENGTH.size
        if place + length > len(raw):
            raise _refusal("its bytes break off within an element")
        yield raw[place : place + length]
        place += length


def _refusal(message: str) -> InvalidSpecError:
    return InvalidSpecError([FieldProblem("inputs.0", message)])


class WrittenTensor(NamedTuple):
    """An output as the response's JSON has it, and the bytes that follow the JSON."""

    tensor: OutputTensor
    raw: bytes


def write_floats(name: str, values_ND: NDArray[np.float32], *, binary: bool) -> WrittenTensor:
    """FP32 [N, D], little endian where it is raw."""
    shape = list(values_ND.shape)
    if not binary:
        data = values_ND.ravel().tolist()
        return WrittenTensor(OutputTensor(name=name, datatype="FP32", shape=shape, data=data), b"")
    raw = values_ND.astype("<f4").tobytes()
    return WrittenTensor(_raw_tensor(name, "FP32", shape, raw), raw)


def write_texts(name: str, texts_NK: Sequence[Sequence[str]], *, binary: bool) -> WrittenTensor:
    """BYTES [N, K]."""
    shape = [len(texts_NK), len(texts_NK[0])]
    texts = [text for row in texts_NK for text in row]
    if not binary:
        return WrittenTensor(OutputTensor(name=name, datatype="BYTES", shape=shape, data=texts), b"")
    raw = b"".join(_LENGTH.pack(len(data)) + data for data in (text.encode() for text in texts))
    return WrittenTensor(_raw_tensor(name, "BYTES", shape, raw), raw)


def _raw_tensor(name: str, datatype: str, shape: list[int], raw: bytes) -> OutputTensor:
    return OutputTensor(
        name=name, datatype=datatype, shape=shape, parameters=TensorParameters(binary_data_size=len(raw))
    )
