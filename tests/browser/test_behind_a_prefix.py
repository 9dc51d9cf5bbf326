"""The page below a path that is not its server's own, and the token that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from lone_api import lone_api
from playwright.sync_api import Page, expect
from prefix_proxy import behind_prefix
from recorded_home import RecordedHome
from visit import Visit

pytestmark = pytest.mark.browser

TOKEN = "of-the-tests-and-of-nobody-else"
REFUSED = "status of 401"
VIEWS = ("#/runs", "#/start", "#/datasets", "#/models", "#/classify", "#/filters", "#/cluster")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an API that asks for a token."""
    home = tmp_path_factory.mktemp("guarded") / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        recorded.add_run("paints", 2, name="behind").begin()
    with lone_api(home, TANDEM_TOKEN=TOKEN) as api:
        yield api.url


@pytest.fixture(scope="module")
def prefixed(guarded: str) -> Iterator[str]:
    with behind_prefix(guarded, "/tandem") as url:
        yield url


def give(page: Page, token: str) -> None:
    page.get_by_label("token").fill(token)
    page.get_by_role("button", name="Continue").click()


def test_a_token_is_asked_for_once_and_a_wrong_one_is_named(
    guarded: str, visit: Callable[..., Visit]
) -> None:
    seen = visit(guarded)
    with seen.tolerating(REFUSED):
        page = seen.go("#/runs")
        expect(page.get_by_text("send 'Authorization")).to_be_visible()
        give(page, "a-guess")
        expect(page.get_by_text("this token is not known here")).to_be_visible()
        give(page, TOKEN)
        expect(page.get_by_role("link", name="behind")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="behind")).to_be_visible()
    assert page.get_by_label("token").count() == 0
    assert TOKEN not in page.evaluate("() => JSON.stringify(localStorage) + document.cookie")


def test_every_view_works_behind_a_prefix(prefixed: str, visit: Callable[..., Visit]) -> None:
    seen = visit(prefixed)
    with seen.tolerating(REFUSED):
        page = seen.go("#/runs")
        give(page, TOKEN)
        page.get_by_role("link", name="behind").click()
        expect(page.get_by_role("heading", name="behind")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    for view in VIEWS:
        seen.go(view)
        seen.settle()
        assert page.get_by_label("token").count() == 0
    assert page.url.startswith(f"{prefixed}/")


def test_the_reference_of_the_api_tries_its_routes(prefixed: str, visit: Callable[..., Visit]) -> None:
    page = visit(prefixed).go("docs")
    page.get_by_role("button", name="GET /healthz Healthz").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.get_by_text(f"{prefixed}/healthz", exact=True)).to_be_visible()
    expect(page.locator(".live-responses-table").get_by_text("200", exact=True)).to_be_visible()
