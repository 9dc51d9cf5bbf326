"""Which web pages a browser lets at the API: its own, and those of the origins that are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from service.settings import Settings

PAGE = "https://photos.example:8443"
OTHER = "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

Start = Callable[[], str]


@pytest.fixture
def start(live_server, tmp_path: Path) -> Start:
    def start() -> str:
        url: str = live_server(tmp_path / "home", f"sqlite:///{tmp_path / 'tandem.db'}").url
        return url

    return start


def allowed(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control")}


def test_by_default_no_page_of_another_origin_is_let_in(start: Start) -> None:
    runs = f"{start()}/api/v1/runs"
    assert allowed(httpx.get(runs, headers={"Origin": PAGE})) == {}
    preflight = httpx.options(runs, headers={"Origin": PAGE, **PREFLIGHT})
    assert preflight.status_code == 405
    assert allowed(preflight) == {}


def test_named_origins_are_let_in_and_no_other(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_CORS_ORIGINS", f"{PAGE}, http://localhost:3000")
    runs = f"{start()}/api/v1/runs"
    for origin in (PAGE, "http://localhost:3000"):
        answer = httpx.get(runs, headers={"Origin": origin})
        assert allowed(answer)["access-control-allow-origin"] == origin
        assert "X-Request-Id" in allowed(answer)["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        preflight = httpx.options(runs, headers={"Origin": origin, **PREFLIGHT})
        assert preflight.status_code == 200
        assert allowed(preflight)["access-control-allow-origin"] == origin
        assert "Authorization" in allowed(preflight)["access-control-allow-headers"]
    assert "access-control-allow-origin" not in httpx.get(runs, headers={"Origin": OTHER}).headers
    preflight = httpx.options(runs, headers={"Origin": OTHER, **PREFLIGHT})
    assert "access-control-allow-origin" not in preflight.headers
    refused = httpx.post(f"{runs}/absent/stop", headers={"Origin": PAGE})
    assert (refused.status_code, allowed(refused)["access-control-allow-origin"]) == (404, PAGE)


def test_without_tokens_a_page_of_another_origin_changes_nothing_by_a_simple_request(start: Start) -> None:
    url = start()
    for method, path in (("POST", "/runs/absent/stop"), ("POST", "/datasets/a/stop"), ("POST", "/classify")):
        refused = httpx.request(method, f"{url}/api/v1{path}", headers={"Origin": OTHER})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "TANDEM_CORS_ORIGINS" in refused.json()["detail"]
    assert httpx.post(f"{url}/api/v1/runs/absent/stop", headers={"Origin": "null"}).status_code == 403
    assert httpx.post(f"{url}/api/v1/runs/absent/stop", headers={"Origin": url}).status_code == 404
    assert httpx.post(f"{url}/api/v1/runs/absent/stop").status_code == 404


def test_json_that_does_not_say_so_is_not_read(start: Start) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = httpx.post(f"{start()}/api/v1/runs", content=b'{"dataset": "absent"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("origins", ["*", "photos.example", f"{PAGE}/", "file:///", "https://A.example"])
def test_what_is_no_origin_is_refused_at_the_start(origins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_CORS_ORIGINS", origins)
    with pytest.raises(ValidationError, match="is not an origin"):
        Settings()
