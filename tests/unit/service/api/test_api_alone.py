"""The control plane with nothing behind it: it stays up, says what is missing, and lets in only who may."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
import structlog
from PIL import Image
from pydantic import SecretStr
from structlog.testing import capture_logs

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.prepare import prepare
from service.api.app import create_app
from service.api.security import refuse_open_host
from service.api.state import ControlPlane
from service.errors import StackError
from service.settings import Settings
from service.stack.free_port import free_port
from service.store.database import Database
from service.store.tokens import TokenStore


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        ray_url=f"http://127.0.0.1:{free_port()}",
        serving_url=f"http://127.0.0.1:{free_port()}",
    )


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    plane: ControlPlane = app.state.control_plane
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        yield client
    assert not plane.reconciler.is_alive


def ask(settings: Settings, method: str, path: str, **options: object) -> httpx.Response:
    async def once() -> httpx.Response:
        async with api(settings) as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return anyio.run(once)


def test_it_is_alive_and_says_who_does_not_answer(settings: Settings) -> None:
    assert ask(settings, "GET", "/healthz").status_code == 200
    answer = ask(settings, "GET", "/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert checks["database"] == "ok"
    assert "Ray's head" in checks["ray"]
    assert "serving" in checks["serving"]


def test_a_dead_ray_head_refuses_a_run_and_keeps_none(
    settings: Settings, tmp_path: Path, ray_here: None
) -> None:
    for split in ("train", "val"):
        for name in ("dark", "light"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            Image.new("RGB", (72, 72), "black" if name == "dark" else "white").save(folder / "1.png")
    source = SourceConfig(path=str(tmp_path / "photos"))
    config = PrepareConfig(image_size=72, workers=1)
    for _ in prepare(source, settings.datasets / "photos", config, name="photos"):
        pass
    recipe = {"preset": "quick", "global_batch_size": 2}
    run = {"dataset": "photos", "model": {"preset": "alexnet-tiny"}, "recipe": recipe}
    answer = ask(settings, "POST", "/api/v1/runs", json=run)
    assert answer.status_code == 503
    assert answer.json()["code"] == "cluster_unreachable"
    assert "Retry-After" in answer.headers

    answer = ask(settings, "POST", "/api/v1/runs", json={**run, "model": {"preset": "alexnet"}})
    assert answer.status_code == 422, "what is wrong with the request itself is said all the same"
    (problem,) = answer.json()["errors"]
    assert problem["field"] == "model.preset"
    assert "image_size=256" in problem["message"]

    assert ask(settings, "GET", "/api/v1/runs").json() == {"items": [], "next_cursor": None}
    assert list(settings.runs.iterdir()) == []


def test_an_unknown_dataset_is_said_whether_ray_answers_or_not(settings: Settings) -> None:
    answer = ask(settings, "POST", "/api/v1/runs", json={"dataset": "absent"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_metrics_count_requests_by_route_and_jobs_by_state(settings: Settings) -> None:
    async def scrape() -> str:
        async with api(settings) as client:
            await client.get("/api/v1/runs/one-that-is-not-there")
            return (await client.get("/metrics")).text

    text = anyio.run(scrape)
    assert 'tandem_http_requests_total{method="GET",route="/runs/{run_id}",status="404"} 1.0' in text


@pytest.fixture
def guarded(settings: Settings) -> Iterator[tuple[Settings, dict[str, str]]]:
    """A home with one token for each scope."""
    database = Database(settings.resolved_database_url)
    tokens = TokenStore(database)
    yield settings, {scope: tokens.create(scope, [scope]) for scope in ("read", "write", "predict")}
    database.close()


def test_an_unknown_token_is_refused(guarded: tuple[Settings, dict[str, str]]) -> None:
    settings, _ = guarded
    answer = ask(settings, "GET", "/api/v1/runs", headers={"Authorization": "Bearer tdm_guess"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_that_asks_too_often_is_told_to_wait_and_the_others_are_not(
    guarded: tuple[Settings, dict[str, str]],
) -> None:
    settings, tokens = guarded
    settings = settings.model_copy(update={"requests_per_second": 1})

    async def ask_often() -> list[httpx.Response]:
        async with api(settings) as client:
            names = ["read"] * 4 + ["write"]
            headers = [{"Authorization": f"Bearer {tokens[name]}"} for name in names]
            return [await client.get("/api/v1/models", headers=each) for each in headers]

    *answers, of_another = anyio.run(ask_often)
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "rate_limited")
    assert answers[-1].headers["Retry-After"] == "1"
    assert of_another.status_code == 403


def test_each_change_leaves_a_line_that_says_who_asked_for_what_and_reading_leaves_none(
    guarded: tuple[Settings, dict[str, str]],
) -> None:
    settings, tokens = guarded
    headers = {"Authorization": f"Bearer {tokens['write']}", "X-Request-Id": "from-the-client.1"}
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = ask(settings, "POST", "/api/v1/runs", json={"dataset": "absent"}, headers=headers)
        refused = ask(settings, "DELETE", "/api/v1/datasets/some")
        ask(settings, "GET", "/api/v1/runs")
    audit = [line for line in logs if line["event"] == "audit"]
    facts = ("caller", "method", "path", "status", "request_id")
    assert [tuple(line[fact] for fact in facts) for line in audit] == [
        ("write", "POST", "/api/v1/runs", 404, "from-the-client.1"),
        (None, "DELETE", "/api/v1/datasets/some", 401, refused.headers["X-Request-Id"]),
    ]
    assert answer.headers["X-Request-Id"] == "from-the-client.1"


@pytest.mark.parametrize("given", ["", "a" * 65, "two words", "line\tbreak", "ü"])
def test_a_request_id_that_could_spoil_a_log_is_replaced(settings: Settings, given: str) -> None:
    answer = ask(settings, "GET", "/healthz", headers={"X-Request-Id": given.encode()})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_the_token_in_the_settings_opens_everything(settings: Settings) -> None:
    settings = settings.model_copy(update={"token": SecretStr("chosen elsewhere")})
    headers = {"Authorization": "Bearer chosen elsewhere"}
    assert ask(settings, "GET", "/api/v1/runs", headers=headers).status_code == 200


def test_without_a_token_it_refuses_to_listen_beyond_loopback(settings: Settings) -> None:
    database = Database(settings.resolved_database_url)
    tokens = TokenStore(database)
    everywhere = settings.model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(StackError, match="token create"):
        refuse_open_host(everywhere, tokens)
    tokens.create("one", ["read"])
    refuse_open_host(everywhere, tokens)
    database.close()


def test_without_a_token_only_this_machine_is_answered(settings: Settings) -> None:
    answer = ask(settings, "GET", "/api/v1/runs", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400


def test_a_server_with_tokens_reads_only_under_its_roots(
    guarded: tuple[Settings, dict[str, str]], tmp_path: Path
) -> None:
    settings, tokens = guarded
    photos = tmp_path / "photos"
    (photos / "inside").mkdir(parents=True)
    (photos / "way-out").symlink_to("/etc")
    settings = settings.model_copy(update={"source_roots": (str(photos),)})
    headers = {"Authorization": f"Bearer {tokens['write']}"}

    def prepare(path: str) -> int:
        body = {"name": "x", "source": {"path": path}}
        return ask(settings, "POST", "/api/v1/datasets", json=body, headers=headers).status_code

    assert prepare(str(photos / "inside")) == 202
    assert prepare("/etc") == 403
    assert prepare(str(photos / ".." / "..")) == 403
    assert prepare(str(photos / "way-out")) == 403
