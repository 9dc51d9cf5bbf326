"""From an error to a problem document (RFC 9457): the one place that gives errors their HTTP status."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Match

from model.errors import ModelError
from pipeline import errors as pipeline_errors
from pipeline.errors import PipelineError
from service import errors
from service.errors import FieldProblem, InvalidSpecError, ServiceError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

# An error without a line of its own has its nearest ancestor's; what is nobody's request's fault is a 500.
STATUS_OF: Final[Mapping[type[Exception], HTTPStatus]] = MappingProxyType(
    {
        ServiceError: HTTPStatus.INTERNAL_SERVER_ERROR,
        errors.InvalidSpecError: HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.NotFoundError: HTTPStatus.NOT_FOUND,
        errors.LostFolderError: HTTPStatus.NOT_FOUND,
        errors.ConflictError: HTTPStatus.CONFLICT,
        errors.NotIndexedError: HTTPStatus.CONFLICT,
        errors.IdempotencyMismatchError: HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.InfeasibleError: HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.UnfitCheckpointError: HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.ForbiddenSourceError: HTTPStatus.FORBIDDEN,
        errors.UnauthorizedError: HTTPStatus.UNAUTHORIZED,
        errors.ForbiddenError: HTTPStatus.FORBIDDEN,
        errors.RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
        errors.PayloadTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        errors.UnsupportedImageError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        errors.UndecodableImageError: HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
        errors.AnswerTooLateError: HTTPStatus.SERVICE_UNAVAILABLE,
        errors.SlowBodyError: HTTPStatus.REQUEST_TIMEOUT,
        errors.DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
        errors.StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
        errors.ClusterUnreachableError: HTTPStatus.SERVICE_UNAVAILABLE,
        errors.ServingUnreachableError: HTTPStatus.SERVICE_UNAVAILABLE,
        PipelineError: HTTPStatus.INTERNAL_SERVER_ERROR,
        pipeline_errors.BadSourceError: HTTPStatus.UNPROCESSABLE_ENTITY,
        pipeline_errors.DatasetExistsError: HTTPStatus.CONFLICT,
        pipeline_errors.BadDatasetError: HTTPStatus.CONFLICT,
        pipeline_errors.StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
        pipeline_errors.NodeCacheFullError: HTTPStatus.SERVICE_UNAVAILABLE,
        ModelError: HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)

HEADERS_OF: Final[Mapping[type[Exception], Mapping[str, str]]] = MappingProxyType(
    {
        errors.UnauthorizedError: {"WWW-Authenticate": "Bearer"},
        errors.RateLimitedError: {"Retry-After": "1"},
        errors.OverloadedError: {"Retry-After": "1"},
        errors.AnswerTooLateError: {"Retry-After": "5"},
        errors.SlowBodyError: {"Connection": "close"},
        errors.DatabaseUnavailableError: {"Retry-After": "5"},
        errors.StorageUnavailableError: {"Retry-After": "5"},
        pipeline_errors.StorageUnavailableError: {"Retry-After": "5"},
        pipeline_errors.NodeCacheFullError: {"Retry-After": "5"},
        errors.ClusterUnreachableError: {"Retry-After": "5"},
        errors.ServingUnreachableError: {"Retry-After": "5"},
    }
)


METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Kind(NamedTuple):
    """A kind of problem: its status, its stable code, what it means, and the headers that come with it."""

    status: HTTPStatus
    code: str
    meaning: str
    headers: Mapping[str, str] = MappingProxyType({})


UNREADABLE_BODY: Final = Kind(
    HTTPStatus.BAD_REQUEST, "unreadable_body", "A body that is not text in UTF-8, or nests too deeply."
)
NOT_JSON: Final = Kind(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "A body that is not said to be JSON."
)
INVALID_REQUEST: Final = Kind(
    HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "A field that is missing, or not as described here."
)


def kind_of(error: type[ServiceError | PipelineError | ModelError]) -> Kind:
    """What an error's class promises of its problem documents."""
    status = next(STATUS_OF[ancestor] for ancestor in error.__mro__ if ancestor in STATUS_OF)
    meaning = inspect.getdoc(error) or ""
    return Kind(status, error.code, " ".join(meaning.split()), HEADERS_OF.get(error, MappingProxyType({})))


class FieldError(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """A problem document; `code` is stable, `detail` is for people, `errors` names the fields it is about."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []


class InferenceProblem(Problem):
    """A problem document that clients of the Open Inference Protocol understand: they look for `error`."""

    error: str


class ProblemResponse(JSONResponse):
    """A problem document; what no UTF-8 can say, half of a surrogate pair from the request, becomes a '?'."""

    media_type = MEDIA_TYPE

    def render(self, content: Problem) -> bytes:
        text = json.dumps(content.model_dump(), ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")


def install(app: Starlette) -> None:
    """Makes every error that leaves one of the application's routes a problem document."""
    for room in (ServiceError, PipelineError, ModelError):
        app.add_exception_handler(room, answer_to)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(OSError, _on_storage_fault)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    app.add_exception_handler(Exception, _on_unexpected_error)


async def answer_to(request: Request, error: Exception) -> JSONResponse:
    """The problem document for one of the rooms' own errors."""
    assert isinstance(error, ServiceError | PipelineError | ModelError)
    kind = kind_of(type(error))
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", path=request.url.path, code=kind.code, detail=str(error))
    fields = error.problems if isinstance(error, InvalidSpecError) else []
    return _answer(request, kind.status, kind.code, str(error), fields, kind.headers)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):
        # Whatever is not said to be JSON is left as it came.
        detail = "send the body with Content-Type: application/json"
        return _answer(request, NOT_JSON.status, NOT_JSON.code, detail)
    fields = [_field_problem(entry) for entry in error.errors()]
    detail = "; ".join(f"{problem.field}: {problem.message}" for problem in fields)
    return _answer(request, INVALID_REQUEST.status, INVALID_REQUEST.code, detail, fields)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if status is UNREADABLE_BODY.status and error.__cause__ is not None:
        detail = f"the body cannot be read ({error.__cause__}): send JSON in UTF-8"
        return _answer(request, status, UNREADABLE_BODY.code, detail)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _allowed_methods(request)
        detail = f"{request.url.path} answers {allowed}, not {request.method}"
        return _answer(request, status, "method_not_allowed", detail, headers={"Allow": allowed})
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    return _answer(request, status, code, error.detail, headers=error.headers or {})


async def _on_storage_fault(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    log.error("storage_failed", path=request.url.path, exc_info=error)
    detail = f"the server cannot use its files ({error.strerror}): see its disks, and its log for which file"
    fault = errors.StorageUnavailableError(detail)
    return await answer_to(request, fault)


def _allowed_methods(request: Request) -> str:
    """What a path answers, over all its routes: the router names the first one's methods alone."""
    routes = request.app.router.routes
    return ", ".join(
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    )


async def _on_unexpected_error(request: Request, _: Exception) -> JSONResponse:
    # Starlette raises the error again once this is sent, so the server's log has its traceback. It sends this
    # from outside all middleware.
    detail = "an error that nobody foresaw; the server's log has its traceback"
    request_id = getattr(request.state, "request_id", None)
    headers = {"X-Request-Id": request_id} if request_id else {}
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail, headers=headers)


async def _on_client_gone(request: Request, _: Exception) -> JSONResponse:
    # Nobody is there to read it; the metrics tell of it, as the client's doing.
    return _answer(
        request, HTTPStatus.BAD_REQUEST, "client_gone", "the client went before its body was whole"
    )


def _field_problem(entry: Mapping[str, Any]) -> FieldProblem:
    place, *path = entry["loc"]
    if entry["type"] == "json_invalid":
        return FieldProblem(place, f"not JSON: {entry['ctx']['error']} at character {path[0]}")
    field = ".".join(str(part) for part in path) or place
    return FieldProblem(field, entry["msg"].removeprefix("Value error, "))


def _answer(
    request: Request,
    status: HTTPStatus,
    code: str,
    detail: str,
    fields: Iterable[FieldProblem] = (),
    headers: Mapping[str, str] = MappingProxyType({}),
) -> JSONResponse:
    problem = Problem(
        type=f"urn:tandem:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        errors=[FieldError(field=field.field, message=field.message) for field in fields],
    )
    if f"{request.url.path}/".startswith("/v2/"):
        problem = InferenceProblem(**problem.model_dump(), error=detail)
    return ProblemResponse(problem, status, dict(headers))
