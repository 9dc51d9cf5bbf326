"""A view that is opened while nothing reaches the server is right in the end, without being loaded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from lone_api import lone_api
from playwright.sync_api import Page, Route, expect
from recorded_home import RecordedHome
from visit import Visit

pytestmark = pytest.mark.browser

# What the browser says of a request that a test has cut off, and the page's server of serving.
CUT_OFF = "net::ERR_FAILED|status of 503"
# And of a version that has neither a run nor an index.
ABSENT = "status of 404.*(/runs/|/index)"


class Shown(NamedTuple):
    url: str
    run: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    home = tmp_path_factory.mktemp("hiccups") / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        recorded.draw("paints")
        recorded.add_version("shades")
        run = recorded.add_run("paints", 2, name="drawn", seed=7)
        run.begin()
        run.draw_filters(1)
    with lone_api(home) as api:
        yield Shown(api.url, run.id)


def see_the_form(page: Page) -> None:
    expect(page.get_by_label("Dataset needed")).to_have_value("paints")
    expect(page.get_by_label("Network", exact=True)).to_have_value("alexnet-tiny")
    expect(page.get_by_label("Start from").get_by_role("option")).to_have_text(["random weights", "shades"])


def see_the_same_run_again(page: Page) -> None:
    see_the_form(page)
    expect(page.get_by_label("Name", exact=True)).to_have_value("drawn")
    expect(page.get_by_label("Seed")).to_have_value("7")
    expect(page.get_by_label("Recipe", exact=True)).to_have_value("quick")


def see_the_dataset(page: Page) -> None:
    expect(page.get_by_role("img", name="Some photos of the classes")).to_be_visible()
    expect(page.get_by_role("img", name="The mean training photo")).to_be_visible()
    expect(page.get_by_role("img", name="Photos in each class").locator(".point")).to_have_count(4)


def see_the_version(page: Page) -> None:
    expect(page.get_by_text("From run-0, which is deleted, at step 1")).to_be_visible()
    expect(page.get_by_role("button", name="Build the index: shades, version 1")).to_be_visible()


def see_the_kernels(page: Page) -> None:
    for tower in range(2):
        expect(page.get_by_role("img", name=f"Kernels of tower {tower} at step 1")).to_be_visible()


VIEWS: dict[str, Callable[[Page], None]] = {
    "#/runs": lambda page: expect(page.get_by_role("link", name="drawn")).to_be_visible(),
    "#/start": see_the_form,
    "#/start?like={run}": see_the_same_run_again,
    "#/datasets": lambda page: expect(page.get_by_role("link", name="paints")).to_be_visible(),
    "#/datasets/paints": see_the_dataset,
    "#/models": see_the_version,
    "#/classify": lambda page: expect(page.get_by_label("Model").get_by_role("option")).to_have_count(2),
    "#/filters": see_the_kernels,
    "#/filters/{run}": see_the_kernels,
    "#/cluster": lambda page: expect(page.get_by_text("No node has joined.")).to_be_visible(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_each_request_is_made_again_after_it_failed(
    shown: Shown, visit: Callable[..., Visit], view: str
) -> None:
    seen = visit(shown.url)
    cut: set[str] = set()

    def cut_off_once(route: Route) -> None:
        if route.request.url in cut:
            return route.continue_()
        cut.add(route.request.url)
        return route.abort()

    for asked in ("**/api/v1/**", "**/page/plotly.js"):
        seen.page.route(asked, cut_off_once)
    with seen.tolerating(f"{CUT_OFF}|{ABSENT}"):
        page = seen.go(view.format(run=shown.run))
        VIEWS[view](page)
        expect(page.locator("#message")).to_be_empty()
    assert cut


def test_what_was_typed_before_the_choices_came_stays(shown: Shown, visit: Callable[..., Visit]) -> None:
    seen = visit(shown.url)
    held: list[Route] = []
    seen.page.route(f"**/api/v1/runs/{shown.run}", lambda route: held.append(route))
    page = seen.go(f"#/start?like={shown.run}")
    expect(page.get_by_label("Dataset needed")).to_have_value("paints")
    page.get_by_text("Other fields").click()
    page.get_by_label("Of the recipe").fill('{"momentum": 0.8}')
    page.get_by_label("Seed").fill("3")
    held.pop().continue_()
    expect(page.get_by_label("Name", exact=True)).to_have_value("drawn")
    expect(page.get_by_label("Of the recipe")).to_have_value('{"momentum": 0.8}')
    expect(page.get_by_label("Seed")).to_have_value("3")
