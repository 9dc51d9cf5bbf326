"""The documents of the Open Inference Protocol, version 2, and what a model of Tandem is in its terms.

https://github.com/kserve/open-inference-protocol: its REST form, and of its extensions binary tensor data and
classification.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.domain.classification import MAX_PHOTOS

PHOTO: Final = "photo"
PROBABILITIES: Final = "probabilities"
EMBEDDING: Final = "embedding"
PLATFORM: Final = "tandem"
EXTENSIONS: Final = ("binary_tensor_data", "classification")

HEADER_LENGTH: Final = "Inference-Header-Content-Length"
"""The header that says how many of a body's first bytes are JSON; raw tensors follow."""


class _Document(BaseModel):
    """Members that this server does not know are other extensions', and may be there."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ServerLive(_Document):
    live: bool


class ServerReady(_Document):
    ready: bool


class ServerMetadata(_Document):
    name: str
    version: str
    extensions: list[str]


class ModelReady(_Document):
    name: str
    ready: bool


class TensorMetadata(_Document):
    """A tensor's name, datatype and shape, where -1 stands for as many as there are photos."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(_Document):
    """`parameters.labels` are the classes' names, in the order of the probabilities."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, Any]


class TensorParameters(_Document):
    """`binary_data_size`: the tensor's bytes follow the JSON, each element after its length in 4 bytes."""

    binary_data_size: Annotated[int, Field(ge=0, strict=True)] | None = None


class InputTensor(_Document):
    """Photo files as BYTES: in JSON each as base64, for it is text; in binary form as they are."""

    name: Literal["photo"]
    datatype: Literal["BYTES"]
    shape: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_PHOTOS, strict=True)]], Field(min_length=1, max_length=1)
    ]
    parameters: TensorParameters = TensorParameters()
    data: Annotated[list[str], Field(min_length=1, max_length=MAX_PHOTOS)] | None = None


class OutputParameters(_Document):
    """`classification`: of the probabilities, the so many greatest, as "probability:index:label"."""

    binary_data: bool | None = Field(default=None, strict=True)
    classification: int = Field(default=0, ge=0, strict=True)


class RequestedOutput(_Document):
    name: Literal["probabilities", "embedding"]
    parameters: OutputParameters = OutputParameters()


class RequestParameters(_Document):
    """`views`: 1 for the centre crop, 10 for ten crops, averaged."""

    views: Literal[1, 10] = 1
    binary_data_output: bool = Field(default=False, strict=True)


class InferRequest(_Document):
    """By default the outputs are the probabilities alone."""

    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    outputs: Annotated[list[RequestedOutput], Field(min_length=1, max_length=2)] = [
        RequestedOutput(name="probabilities")
    ]


class OutputTensor(_Document):
    name: str
    datatype: str
    shape: list[int]
    parameters: TensorParameters | None = None
    data: list[float] | list[str] | None = None


class InferResponse(_Document):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]
