"""Routes of the Open Inference Protocol: health, metadata, infer."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Header, Response
from numpy.typing import NDArray

from model.network.architecture import layers_of
from service.domain.classification import Views
from service.domain.open_inference import (
    EMBEDDING,
    EXTENSIONS,
    HEADER_LENGTH,
    PHOTO,
    PLATFORM,
    PROBABILITIES,
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    RequestedOutput,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)
from service.serving.asked_photo import Question
from service.serving.inquiries import Answered
from service.serving.parameters import Body, Operations
from service.serving.tensors import WrittenTensor, read_request, write_floats, write_texts

router = APIRouter(prefix="/v2")

HeaderLength = Annotated[str | None, Header(alias=HEADER_LENGTH)]


@router.get("")
async def server_metadata() -> ServerMetadata:
    return ServerMetadata(name="tandem", version=installed("tandem"), extensions=list(EXTENSIONS))


@router.get("/health/live")
async def live() -> ServerLive:
    return ServerLive(live=True)


@router.get("/health/ready")
async def ready() -> ServerReady:
    return ServerReady(ready=True)


@router.get("/models/{name}/ready")
@router.get("/models/{name}/versions/{version}/ready")
async def model_ready(name: str, operations: Operations, version: str | None = None) -> ModelReady:
    """A version that is there is ready: it is loaded when it is first asked for."""
    return ModelReady(name=operations.find(name, version).name, ready=True)


@router.get("/models/{name}")
@router.get("/models/{name}/versions/{version}")
async def model_metadata(name: str, operations: Operations, version: str | None = None) -> ModelMetadata:
    """What the version takes and gives; by default of the one that answers now."""
    published, versions = operations.describe(operations.find(name, version))
    classes, features = len(published.labels), layers_of(published.architecture)[-1].fan_in
    return ModelMetadata(
        name=name,
        versions=[str(number) for number in versions],
        platform=PLATFORM,
        inputs=[TensorMetadata(name=PHOTO, datatype="BYTES", shape=[-1])],
        outputs=[
            TensorMetadata(name=PROBABILITIES, datatype="FP32", shape=[-1, classes]),
            TensorMetadata(name=EMBEDDING, datatype="FP32", shape=[-1, features]),
        ],
        parameters={"labels": [label.name for label in published.labels]},
    )


@router.post("/models/{name}/infer")
@router.post("/models/{name}/versions/{version}/infer")
async def infer(
    name: str,
    body: Body,
    operations: Operations,
    version: str | None = None,
    header_length: HeaderLength = None,
) -> Response:
    """Each output that is asked for, of every photo; raw after the JSON where that is asked for."""
    asked = operations.find(name, version)
    request, photos = read_request(body, header_length)
    answers = await operations.ask(asked, photos, [_question(request, output) for output in request.outputs])
    written = [
        _written(output, answered, binary_by_default=request.parameters.binary_data_output)
        for output, answered in zip(request.outputs, answers, strict=True)
    ]
    document = InferResponse(
        model_name=asked.name,
        model_version=str(asked.number),
        id=request.id,
        outputs=[each.tensor for each in written],
    )
    return _response(document, [each.raw for each in written])


def _question(request: InferRequest, output: RequestedOutput) -> Question:
    if output.name == EMBEDDING:
        return Question.EMBEDDING
    return Question.of_views(Views(request.parameters.views))


def _written(output: RequestedOutput, answered: Answered, *, binary_by_default: bool) -> WrittenTensor:
    wanted = output.parameters.binary_data
    binary = binary_by_default if wanted is None else wanted
    count = output.parameters.classification
    if count and output.name == PROBABILITIES:
        texts = [_texts(answered, found_K, count) for found_K in answered.of_photos]
        return write_texts(output.name, texts, binary=binary)
    return write_floats(output.name, np.stack(answered.of_photos), binary=binary)


def _texts(answered: Answered, probabilities_K: NDArray[np.float32], count: int) -> list[str]:
    found = answered.model.classifier.most_likely(probabilities_K, count)
    return [f"{each.probability:f}:{each.index}:{each.label}" for each in found]


def _response(document: InferResponse, raw: Sequence[bytes]) -> Response:
    content = document.model_dump_json(exclude_none=True).encode()
    if not any(raw):
        return Response(content, media_type="application/json")
    headers = {HEADER_LENGTH: str(len(content))}
    return Response(b"".join([content, *raw]), headers=headers, media_type="application/octet-stream")
