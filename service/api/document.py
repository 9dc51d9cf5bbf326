"""The API's OpenAPI document: what FastAPI finds out, and the problems that each route can answer with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from model.errors import ModelError
from pipeline.errors import PipelineError
from service import errors
from service.domain.open_inference import InferRequest
from service.errors import ServiceError
from service.http.problems import (
    INVALID_REQUEST,
    MEDIA_TYPE,
    NOT_JSON,
    UNREADABLE_BODY,
    Kind,
    Problem,
    kind_of,
)

DESCRIPTION: Final = """\
Prepares labelled photos, trains the two-GPU AlexNet of 2012 on them, and classifies with what was trained.

Every error is a problem document (RFC 9457): its `code` is stable and listed with each route, its `detail`
says what to do. A path that is not here is a 404; a method that is not, a 405 whose `Allow` names the others.
Every answer carries `X-Request-Id`. A server without tokens asks for none, and refuses a request that was
sent to another host than this machine with a 400.
"""

Responses = dict[int | str, dict[str, Any]]

_SCHEMAS: Final = "#/components/schemas/"
_HEADERS: Final = {
    "Retry-After": {
        "description": "seconds to wait",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "Connection": {
        "description": "what else the client sends is not read",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "the scheme that is wanted",
        "required": True,
        "schema": {"type": "string"},
    },
}
_DESCRIBED_HERE: Final[dict[type[BaseModel], JsonSchemaMode]] = {
    Problem: "serialization",
    InferRequest: "validation",
}
_OF_GUARDED: Final = tuple(
    map(
        kind_of,
        (
            errors.UnauthorizedError,
            errors.ForbiddenError,
            errors.RateLimitedError,
            errors.DatabaseUnavailableError,
            errors.StorageUnavailableError,
        ),
    )
)
_OF_JSON: Final = (
    UNREADABLE_BODY,
    NOT_JSON,
    kind_of(errors.PayloadTooLargeError),
    kind_of(errors.SlowBodyError),
    kind_of(errors.OverloadedError),
)


def refusals(*known: type[ServiceError | PipelineError | ModelError]) -> Responses:
    """A route's `responses`: the errors of its own that it answers with. `Api` adds those of its kind."""
    return _described(map(kind_of, known))


def location(of: str) -> dict[str, Any]:
    """What an answer's `responses` say of the header that tells where the thing is found."""
    schema = {"type": "string", "format": "uri-reference"}
    return {"headers": {"Location": {"description": f"path of {of}", "required": True, "schema": schema}}}


class Api(FastAPI):
    """An application whose document names the problems of every route."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for operation in path.values():
                    _complete(operation)
            _describe(document["components"]["schemas"])
        assert self.openapi_schema is not None
        return self.openapi_schema


def operation_id(route: APIRoute) -> str:
    """The name of the function that answers, `create_run`."""
    return route.name


def _complete(operation: dict[str, Any]) -> None:
    """Adds the problems that come with a token, with parameters, and with a body of JSON."""
    responses = operation["responses"]
    if MEDIA_TYPE not in responses.get("422", {}).get("content", {}):
        # FastAPI's own form of it, which is not ours.
        responses.pop("422", None)
    for status, common in _described(_common(operation)).items():
        own = responses.get(str(status))
        if own is not None:
            common["description"] = f"{common['description']}\n{own['description']}"
        responses[str(status)] = common
    operation["responses"] = dict(sorted(responses.items()))


def _common(operation: dict[str, Any]) -> Iterator[Kind]:
    if "security" in operation:
        yield from _OF_GUARDED
    parameters = operation.get("parameters", ())
    if "requestBody" in operation or any(_can_be_wrong(parameter["schema"]) for parameter in parameters):
        yield INVALID_REQUEST
    if list(operation.get("requestBody", {}).get("content", ())) == ["application/json"]:
        yield from _OF_JSON


def _can_be_wrong(schema: dict[str, Any]) -> bool:
    return schema.get("type") != "string" or "pattern" in schema


def _described(kinds: Iterable[Kind]) -> Responses:
    by_status = defaultdict(list)
    for kind in kinds:
        by_status[int(kind.status)].append(kind)
    return {
        status: {
            "description": "\n".join(f"- `{kind.code}`: {kind.meaning}" for kind in alike),
            "content": {MEDIA_TYPE: {"schema": reference(Problem)}},
            **({"headers": headers} if (headers := _headers(alike)) else {}),
        }
        for status, alike in by_status.items()
    }


def _headers(kinds: Iterable[Kind]) -> dict[str, Any]:
    return {name: _HEADERS[name] for kind in kinds for name in kind.headers}


def reference(model: type[BaseModel]) -> dict[str, str]:
    """A schema that stands for one of `_DESCRIBED_HERE`."""
    return {"$ref": f"{_SCHEMAS}{model.__name__}"}


def _describe(schemas: dict[str, Any]) -> None:
    """Adds what is referred to, and is no parameter or answer that FastAPI would find."""
    for model, mode in _DESCRIBED_HERE.items():
        schema = model.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}", mode=mode)
        schemas.update(schema.pop("$defs"))
        schemas[model.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
