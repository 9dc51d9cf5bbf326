"""Every error that leaves a route is a problem document, and says what the class of error promises."""

from __future__ import annotations

import asyncio
import errno

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, model_validator
from structlog.testing import capture_logs

from model.errors import BadCheckpointError
from pipeline.errors import BadDatasetError, DatasetExistsError
from service import errors
from service.errors import FieldProblem
from service.http import problems


class Order(BaseModel):
    workers: int
    devices: list[int] = []

    @model_validator(mode="after")
    def _even(self) -> Order:
        if self.workers % 2:
            raise ValueError("workers is odd")
        return self


def ask(app: FastAPI, method: str = "GET", path: str = "/", **options: object) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def raising(error: Exception) -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def fail() -> None:
        raise error

    @app.post("/orders")
    def order(_: Order) -> None:
        return None

    return app


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFoundError("no run 7"), 404),
        (errors.ConflictError("taken"), 409),
        (errors.IdempotencyMismatchError("another request"), 422),
        (errors.InfeasibleError("too many workers"), 422),
        (errors.UnfitCheckpointError("truncated"), 422),
        (errors.ForbiddenSourceError("outside"), 403),
        (errors.UnauthorizedError("who are you"), 401),
        (errors.ForbiddenError("not you"), 403),
        (errors.PayloadTooLargeError("too large"), 413),
        (errors.UnsupportedImageError("text"), 415),
        (errors.UndecodableImageError("torn"), 422),
        (errors.OverloadedError("full"), 503),
        (errors.DatabaseUnavailableError("locked"), 503),
        (errors.StorageUnavailableError("not mounted"), 503),
        (errors.ClusterUnreachableError("no head"), 503),
        (errors.ServingUnreachableError("no serving"), 503),
        (errors.StackError("unforeseen here"), 500),
        (DatasetExistsError("photos exists"), 409),
        (BadDatasetError("no manifest"), 409),
        (BadCheckpointError("models/a/1", "truncated"), 500),
    ],
)
def test_each_error_has_its_status_its_code_and_its_own_words(error: Exception, status: int) -> None:
    response = ask(raising(error))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document == {
        "type": f"urn:tandem:problem:{error.code}",
        "title": document["title"],
        "status": status,
        "detail": str(error),
        "code": error.code,
        "errors": [],
    }


@pytest.mark.parametrize("error", [errors.OverloadedError("full"), errors.ServingUnreachableError("down")])
def test_what_passes_by_itself_says_when_to_ask_again(error: Exception) -> None:
    assert int(ask(raising(error)).headers["retry-after"]) > 0


def test_a_refused_token_names_the_scheme_that_is_wanted() -> None:
    assert ask(raising(errors.UnauthorizedError("no token"))).headers["www-authenticate"] == "Bearer"


def test_a_refused_specification_names_its_fields() -> None:
    error = errors.InvalidSpecError([FieldProblem("recipe.epochs", "is negative")])
    document = ask(raising(error)).json()
    assert document["errors"] == [{"field": "recipe.epochs", "message": "is negative"}]
    assert document["detail"] == "recipe.epochs: is negative"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"workers": "many"}', "workers"),
        (b'{"workers": 2, "devices": [0, "one"]}', "devices.1"),
        (b"{}", "workers"),
        (b'{"workers": 3}', "body"),
        (b'{"workers": ', "body"),
        (b"", "body"),
    ],
)
def test_an_invalid_request_names_the_field(body: bytes, field: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = ask(raising(ValueError()), "POST", "/orders", content=body, headers=headers)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [entry["field"] for entry in response.json()["errors"]] == [field]


def test_a_message_of_ours_comes_without_the_prefix_pydantic_gives_it() -> None:
    response = ask(raising(ValueError()), "POST", "/orders", json={"workers": 3})
    assert response.json()["errors"][0]["message"] == "workers is odd"


def test_an_unknown_path_and_a_wrong_method_are_problems_too() -> None:
    app = raising(ValueError())
    missing = ask(app, path="/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = ask(app, "DELETE", "/orders")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_a_wrong_method_is_told_all_that_the_path_answers() -> None:
    app = raising(ValueError())

    @app.put("/orders")
    def replace(_: Order) -> None:
        return None

    wrong = ask(app, "DELETE", "/orders")
    assert wrong.headers["allow"] == "POST, PUT"
    assert "POST, PUT" in wrong.json()["detail"]


def test_half_of_a_surrogate_pair_does_not_keep_a_problem_from_being_told() -> None:
    response = ask(raising(errors.NotFoundError("no run \ud800")))
    assert (response.status_code, response.json()["detail"]) == (404, "no run ?")


def test_a_disk_that_fails_is_said_and_the_file_told_to_the_log_alone() -> None:
    with capture_logs() as logs:
        response = ask(raising(OSError(errno.EIO, "Input/output error", "/srv/runs/secret.json")))
    assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
    assert "Input/output error" in response.json()["detail"]
    assert "/srv" not in response.text
    assert "retry-after" in response.headers
    assert "/srv/runs/secret.json" in str(logs[0]["exc_info"])


def test_an_unexpected_error_shows_nothing_of_the_code_behind_it() -> None:
    response = ask(raising(ZeroDivisionError("secret of the house")))
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "secret" not in response.text
    assert "Traceback" not in response.text
