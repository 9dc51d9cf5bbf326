"""A run that is looked at is shown whole in the end, whatever came between its page and the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lone_api import LoneApi, lone_api
from playwright.sync_api import Page, Route, expect
from recorded_home import RecordedHome, RecordedRun
from recorded_training import record_short_run, train
from visit import OUTAGE, Visit

from service.domain.state import JobState

pytestmark = pytest.mark.browser

# Of each chart the lines' lengths.
LINES = (
    "() => [...document.querySelectorAll('.chart')].map(({ data }) => (data ?? []).map(({ y }) => y.length))"
)
# The same, of what Plotly has drawn of them.
DRAWN = """
  () => [...document.querySelectorAll(".chart")]
    .map(({ calcdata }) => calcdata.map((points) => points.length))
"""
# What the browser says of a request that a test has cut off.
CUT_OFF = "net::ERR_FAILED"
FOUND_AGAIN_MILLISECONDS = 120_000


class Scene:
    """An API alone, and a home in which runs go on meanwhile."""

    def __init__(self, home: RecordedHome, api: LoneApi) -> None:
        self.home = home
        self.api = api

    def add_run(self, name: str, steps: int = 40) -> RecordedRun:
        return record_short_run(
            self.home, "paints", name, warning=f"a word about {name}", log="begun", steps=steps
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    home = tmp_path / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        with lone_api(home) as api:
            yield Scene(recorded, api)


def see_lines(page: Page, *lengths: list[int]) -> None:
    """Loss, error, rate, pace and waiting, by the number of points of each of their lines."""
    page.wait_for_function(f"(lengths) => String(({LINES})()) === String(lengths)", arg=list(lengths))


def whole(steps: int) -> list[list[int]]:
    return [[steps, steps], [steps, steps], [steps], [steps], [steps]]


def hide(page: Page, hidden: bool) -> None:
    """As when the reader turns to another tab, or comes back."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def end(run: RecordedRun, steps: int) -> None:
    train(run, 41, steps)
    run.log("a last line")
    run.move_to(JobState.SUCCEEDED)


def see_all(page: Page, steps: int) -> None:
    see_lines(page, *whole(steps))
    expect(page.get_by_text("succeeded").first).to_be_visible()
    expect(page.get_by_role("region", name="Log")).to_contain_text("a last line")


def test_what_a_run_did_while_nobody_looked_is_shown_afterwards(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run = scene.add_run("unseen")
    page = visit(scene.api.url).go(f"#/runs/{run.id}")
    see_lines(page, *whole(40))
    hide(page, True)
    end(run, 140)
    page.wait_for_timeout(5000)
    hide(page, False)
    see_all(page, 140)


def test_what_a_run_did_while_the_api_was_away_is_shown_afterwards(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run = scene.add_run("away")
    seen = visit(scene.api.url)
    page = seen.go(f"#/runs/{run.id}")
    see_lines(page, *whole(40))
    with seen.tolerating(OUTAGE):
        scene.api.kill()
        expect(page.get_by_text("does not answer")).to_be_visible()
        end(run, 140)
        scene.api.start()
        # Two tries may lie half a minute apart by then.
        expect(page.get_by_text("does not answer")).to_be_hidden(timeout=FOUND_AGAIN_MILLISECONDS)
        see_all(page, 140)


@pytest.mark.parametrize("part", ["metrics", "events", "logs"])
def test_a_request_that_fails_once_is_made_again(
    scene: Scene, visit: Callable[..., Visit], part: str
) -> None:
    run = scene.add_run("finished")
    end(run, 50)
    seen = visit(scene.api.url)
    refused: list[Any] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.abort())

    seen.page.route(f"**/runs/*/{part}?*", refuse_once)
    with seen.tolerating(CUT_OFF):
        page = seen.go(f"#/runs/{run.id}")
        see_all(page, 50)
    assert refused
    expect(page.get_by_role("table", name="What befell it")).to_contain_text("a word about finished")


def test_what_a_log_says_while_the_api_is_away_is_shown_afterwards(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run = scene.add_run("away")
    seen = visit(scene.api.url)
    page = seen.go(f"#/runs/{run.id}")
    log = page.get_by_role("region", name="Log")
    expect(log).to_contain_text("begun")
    with seen.tolerating(OUTAGE):
        scene.api.kill()
        expect(page.get_by_text("does not answer")).to_be_visible()
        run.log("said to nobody")
        scene.api.start()
        expect(log).to_contain_text("said to nobody", timeout=FOUND_AGAIN_MILLISECONDS)


def streams_of(page: Page) -> set[str]:
    """The streams of events that are open, of whatever runs; it changes as they do."""
    streams: set[str] = set()
    page.on("request", lambda request: "/events?" in request.url and streams.add(request.url))
    for over in ("requestfailed", "requestfinished"):
        page.on(over, lambda request: streams.discard(request.url))
    return streams


def test_a_stream_ends_while_nobody_looks(scene: Scene, visit: Callable[..., Visit]) -> None:
    run = scene.add_run("looked at")
    seen = visit(scene.api.url)
    streams = streams_of(seen.page)
    page = seen.go(f"#/runs/{run.id}")
    see_lines(page, *whole(40))
    assert len(streams) == 1
    hide(page, True)
    while streams:
        page.wait_for_timeout(50)
    with page.expect_request("**/events?*"):
        hide(page, False)
    # No second one comes.
    page.wait_for_timeout(4000)
    assert len(streams) == 1


@pytest.mark.parametrize("leave", ["for another view", "for another tab"])
def test_a_run_that_is_left_before_it_has_come_is_not_followed(
    scene: Scene, visit: Callable[..., Visit], leave: str
) -> None:
    run = scene.add_run("slow")
    seen = visit(scene.api.url)
    streams = streams_of(seen.page)
    held: list[Route] = []
    seen.page.route(f"**/runs/{run.id}", lambda route: held.append(route))
    with seen.page.expect_request(f"**/runs/{run.id}"):
        page = seen.go(f"#/runs/{run.id}")
    if leave == "for another tab":
        hide(page, True)
    else:
        page.evaluate("location.hash = '#/datasets'")
        expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    for route in held:
        route.continue_()
    page.wait_for_timeout(1000)
    assert held
    assert not streams


def test_thousands_of_lines_of_a_log_are_shown_at_once(scene: Scene, visit: Callable[..., Visit]) -> None:
    run = scene.add_run("wordy")
    page = visit(scene.api.url).go(f"#/runs/{run.id}")
    log = page.get_by_role("region", name="Log")
    expect(log).to_contain_text("begun")
    run.log(*(f"line {number} of a burst" for number in range(5000)))
    expect(log).to_contain_text("line 4999 of a burst")
    assert "line 4500 of a burst\n" in (log.text_content() or "")


def test_all_charts_of_a_run_grow_and_show_one_part_of_it(scene: Scene, visit: Callable[..., Visit]) -> None:
    run = scene.add_run("growing")
    page = visit(scene.api.url).go(f"#/runs/{run.id}")
    see_lines(page, *whole(40))
    train(run, 41, 90)
    see_lines(page, *whole(90))
    assert page.evaluate(DRAWN) == whole(90)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(500)
    ranges = page.evaluate(
        "() => [...document.querySelectorAll('.chart')].map((chart) => chart._fullLayout.xaxis.range)"
    )
    assert ranges == [ranges[0]] * 5
    assert ranges[0][0] > 1
