"""Which token opens which route: every route of the application is asked with each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from service.store.tokens import SCOPES

# What is open to everyone: that it is alive and ready, the page, and how the API is spoken to.
OPEN = ["/healthz", "/readyz", "/", "/page/app.js", "/openapi.json", "/docs"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def wanted(method: str, path: str) -> str:
    """The scope that a route has to ask for, by what it does."""
    if path.endswith(("/classify", "/embed", "/similar")) or path.startswith("/v2"):
        return "predict"
    return "read" if method == "GET" else "write"


@pytest.fixture
def routes(server) -> list[tuple[str, str]]:
    """Method and path of every route that the API describes, but those that are open."""
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    return [
        (method.upper(), path) for path, methods in paths.items() for method in methods if path not in OPEN
    ]


@pytest.fixture
def callers(server) -> Iterator[dict[str, httpx.Client]]:
    """A client for each scope, with a token that has this scope alone; and one without any token."""
    tokens = {scope: server.plane.tokens.create(scope, [scope]) for scope in SCOPES}
    headers = {scope: {"Authorization": f"Bearer {token}"} for scope, token in tokens.items()}
    clients = {
        name: httpx.Client(base_url=server.url, headers=each, timeout=30)
        for name, each in {**headers, "nobody": {}}.items()
    }
    yield clients
    for client in clients.values():
        client.close()


def test_every_route_wants_the_scope_of_what_it_does_and_no_other_opens_it(
    routes: list[tuple[str, str]], callers: dict[str, httpx.Client]
) -> None:
    assert {wanted(*route) for route in routes} == set(SCOPES)
    for method, path in routes:
        filled = re.sub(r"\{.*?\}", "absent", path)
        found = {name: client.request(method, filled).status_code for name, client in callers.items()}
        assert found.pop("nobody") == 401, (method, path)
        assert found.pop(wanted(method, path)) not in {401, 403}, (method, path)
        assert set(found.values()) == {403}, (method, path)


def test_what_changes_something_is_among_the_routes_that_were_asked(routes: list[tuple[str, str]]) -> None:
    assert {route for route in routes if wanted(*route) == "write"} == {
        ("POST", "/api/v1/runs"),
        ("POST", "/api/v1/runs/{run_id}/stop"),
        ("POST", "/api/v1/runs/{run_id}/resume"),
        ("DELETE", "/api/v1/runs/{run_id}"),
        ("POST", "/api/v1/datasets"),
        ("POST", "/api/v1/datasets/{name}/stop"),
        ("DELETE", "/api/v1/datasets/{name}"),
        ("POST", "/api/v1/models/{name}/versions"),
        ("DELETE", "/api/v1/models/{name}/versions/{version}"),
        ("POST", "/api/v1/models/{name}/versions/{version}/index"),
        ("DELETE", "/api/v1/models/{name}/versions/{version}/index"),
        ("PUT", "/api/v1/models/{name}/aliases/{alias}"),
        ("DELETE", "/api/v1/models/{name}/aliases/{alias}"),
    }


def test_the_routes_that_are_open_tell_nothing_of_runs_datasets_and_models(
    server, callers: dict[str, httpx.Client]
) -> None:
    job = server.begin_run()
    for path in OPEN:
        answer = callers["nobody"].get(path)
        assert answer.status_code not in {401, 403, 404}, path
        assert job.id not in answer.text
    assert callers["nobody"].get("/metrics").status_code == 401


def test_a_token_without_write_changes_nothing_that_is_there(
    server, callers: dict[str, httpx.Client]
) -> None:
    job = server.begin_run()
    server.add_dataset("photos")
    before = server.plane.jobs.get(job.id)
    spec = {"dataset": "photos", "model": {"preset": "alexnet-tiny"}, "recipe": {"preset": "quick"}}
    asked = [
        ("POST", f"/runs/{job.id}/stop", {"mode": "now"}),
        ("POST", f"/runs/{job.id}/resume", None),
        ("DELETE", f"/runs/{job.id}", None),
        ("POST", "/runs", spec),
        ("DELETE", "/datasets/photos", None),
        ("POST", "/datasets", {"name": "more", "source": {"path": "/"}}),
        ("POST", "/models/m/versions", {"run_id": job.id}),
        ("PUT", "/models/m/aliases/production", {"version": 1}),
    ]
    for name in ("read", "predict"):
        for method, path, body in asked:
            refused = callers[name].request(method, f"/api/v1{path}", json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
    assert server.plane.jobs.get(job.id) == before
    assert len(server.plane.jobs.active()) == 1
    assert (server.settings.datasets / "photos" / "manifest.json").is_file()
    assert list(server.settings.models.iterdir()) == []
