"""Other runs laid beside one: drawn in its charts, compared with it, and no burden to it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accessibility import GRAVE, violations
from lone_api import LoneApi, lone_api
from playwright.sync_api import Locator, Page, Route, expect
from recorded_home import RecordedHome, RecordedRun
from recorded_training import record_short_run
from visit import Visit

from service.client import Client
from service.domain.events import EventKind
from service.domain.state import JobState

pytestmark = pytest.mark.browser

STEPS = 40
CUT_OFF = "net::ERR_FAILED"
# The names of the loss chart's lines, and the colours of all lines.
NAMES = "() => document.querySelector('.chart').data.map(({ name }) => name)"
COLOURS = "() => document.querySelector('.chart').data.map(({ line }) => line.color)"
SHEET = "() => getComputedStyle(document.querySelector('figure.card')).backgroundColor"
FORMATS = """
  () => Object.fromEntries([...document.querySelectorAll(".chart")].map((chart) =>
    [chart.getAttribute("aria-label").split(".")[0], chart._fullLayout.yaxis.hoverformat]))
"""


class Scene:
    """An API alone, and runs at work in its home."""

    def __init__(self, home: RecordedHome, api: LoneApi) -> None:
        self.home = home
        self.api = api

    def add_run(self, name: str, seed: int = 0) -> RecordedRun:
        return record_short_run(self.home, "paints", name, warning="w", log="begun", steps=STEPS, seed=seed)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    home = tmp_path / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        with lone_api(home) as api:
            yield Scene(recorded, api)


def see_runs(page: Page, *names: str) -> None:
    """In the chart of the loss: each run's own line, and that of its validation."""
    lines = [f"{line}, {name}" for name in names for line in ("training", "validation")]
    page.wait_for_function(
        """(lines) => JSON.stringify(document.querySelector(".chart")?.data?.map(({ name }) => name)) ===
          JSON.stringify(lines)""",
        arg=lines,
    )


def open_list(page: Page) -> Locator:
    page.locator("summary", has_text="Beside it").click()
    return page.get_by_role("group", name="Beside it")


def test_up_to_five_runs_are_laid_beside_one_and_a_link_brings_them_again(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    others = [scene.add_run(f"other {number}") for number in range(6)]
    run = scene.add_run("looked at")
    page = visit(scene.api.url).go(f"#/runs/{run.id}")
    see_runs(page, "looked at")
    boxes = open_list(page).get_by_role("checkbox")
    expect(boxes).to_have_count(6)
    boxes.first.focus()
    for place in range(5):
        page.keyboard.press("Space")
        expect(boxes.nth(place)).to_be_checked()
        expect(boxes.nth(place)).to_be_focused()
        page.keyboard.press("Tab")
    expect(boxes.nth(5)).to_be_disabled()
    laid = [f"other {number}" for number in (5, 4, 3, 2, 1)]
    see_runs(page, "looked at", *laid)
    query = "&".join(f"with={others[number].id}" for number in (5, 4, 3, 2, 1))
    assert page.url.endswith(f"#/runs/{run.id}?{query}")

    again = visit(page.url.partition("/#")[0]).go(f"#/runs/{run.id}?{query}")
    see_runs(again, "looked at", *laid)
    expect(again.locator("summary", has_text="Beside it")).to_contain_text(
        ", ".join(laid).replace(", ", ",  ")
    )
    boxes = open_list(again).get_by_role("checkbox", checked=True)
    expect(boxes).to_have_count(5)
    boxes.nth(1).uncheck()
    see_runs(again, "looked at", *(name for name in laid if name != "other 4"))
    assert others[4].id not in again.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_six_runs_have_six_colours_that_stand_out(
    scene: Scene, visit: Callable[..., Visit], scheme: str
) -> None:
    names = [f"run {number}" for number in range(6)]
    runs = [scene.add_run(name) for name in names]
    query = "&".join(f"with={run.id}" for run in runs[1:])
    page = visit(scene.api.url, color_scheme=scheme).go(f"#/runs/{runs[0].id}?{query}")
    see_runs(page, *names)
    colours = page.evaluate(COLOURS)
    assert colours[::2] == colours[1::2]
    assert len(set(colours)) == 6
    sheet = luminance(rgb_of(page.evaluate(SHEET)))
    assert min(contrast(luminance(hexadecimal(colour)), sheet) for colour in colours) >= 3
    open_list(page)
    expect(page.get_by_role("checkbox")).not_to_have_count(1)
    assert [str(each) for each in violations(page) if each.impact in GRAVE] == []


def hexadecimal(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def rgb_of(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def luminance(colour: list[int]) -> float:
    """As WCAG 2 has it."""
    parts = [value / 255 for value in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: float, other: float) -> float:
    low, high = sorted([one, other])
    return (high + 0.05) / (low + 0.05)


def test_what_differs_is_told_and_what_does_not_is_left_out(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run, other = scene.add_run("looked at", seed=1), scene.add_run("other", seed=2)
    page = visit(scene.api.url).go(f"#/runs/{run.id}")
    see_runs(page, "looked at")
    table = page.get_by_role("table", name="What differs")
    expect(table).to_have_count(0)
    open_list(page).get_by_role("checkbox", name="other").check()
    expect(table.get_by_role("columnheader")).to_have_text(["Figure or setting", "looked at", "other"])
    for cells in (["State", "running", "running"], ["Step", str(STEPS), str(STEPS)], ["seed", "1", "2"]):
        expect(table.get_by_role("row").filter(has_text=cells[0]).get_by_role("cell")).to_have_text(cells)
    told = table.locator("tbody tr td:first-child").all_inner_texts()
    assert told == ["State", "Step", "Loss", "Best top-1 error", "Images/s", "seed"]
    other.move_to(JobState.STOPPED)
    expect(table.get_by_role("row").filter(has_text="State")).to_contain_text("stopped")


def test_runs_beside_hold_no_stream(scene: Scene, visit: Callable[..., Visit]) -> None:
    run, *others = [scene.add_run(name) for name in ("looked at", "one", "two", "three")]
    seen = visit(scene.api.url)
    streams: set[str] = set()
    seen.page.on("request", lambda request: "/events?" in request.url and streams.add(request.url))
    for over in ("requestfailed", "requestfinished"):
        seen.page.on(over, lambda request: streams.discard(request.url))
    page = seen.go(f"#/runs/{run.id}?{'&'.join(f'with={other.id}' for other in others)}")
    see_runs(page, "looked at", "one", "two", "three")
    while len(streams) > 1:
        page.wait_for_timeout(50)
    assert [run.id in url for url in streams] == [True]


def test_a_run_that_is_deleted_is_dropped_with_a_word_and_keeps_nothing_back(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run, other, deleted = (scene.add_run(name) for name in ("looked at", "other", "deleted"))
    deleted.move_to(JobState.STOPPED)
    with Client(scene.api.url) as client:
        client.runs.delete(deleted.id)
    seen = visit(scene.api.url)
    with seen.tolerating("status of 404"):
        page = seen.go(f"#/runs/{run.id}?with={deleted.id}&with={other.id}")
        see_runs(page, "looked at", "other")
    expect(page.get_by_text(f"{deleted.id[:8]} is no longer there")).to_be_visible()
    expect(page.locator("#message")).to_be_empty()
    assert page.url.endswith(f"?with={other.id}")


def test_a_run_beside_that_cannot_be_read_is_said_and_stays_chosen(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run, other = scene.add_run("looked at"), scene.add_run("other")
    seen = visit(scene.api.url)
    cut: list[Route] = []

    def cut_off_once(route: Route) -> None:
        if cut:
            route.continue_()
        else:
            route.abort()
            cut.append(route)

    seen.page.route(f"**/runs/{other.id}", cut_off_once)
    with seen.tolerating(CUT_OFF):
        page = seen.go(f"#/runs/{run.id}?with={other.id}")
        expect(page.get_by_text(f"{other.id[:8]}: The server does not answer")).to_be_visible()
        expect(open_list(page).get_by_role("checkbox", checked=True)).to_have_count(1)
        see_runs(page, "looked at", "other")
    expect(page.get_by_text("does not answer")).to_have_count(0)


def test_a_list_of_runs_that_fails_keeps_nothing_else_back(scene: Scene, visit: Callable[..., Visit]) -> None:
    run, _ = scene.add_run("looked at"), scene.add_run("other")
    seen = visit(scene.api.url)
    seen.page.route("**/api/v1/runs?*", lambda route: route.abort())
    with seen.tolerating(CUT_OFF):
        page = seen.go(f"#/runs/{run.id}")
        expect(page.get_by_role("region", name="Log")).to_contain_text("begun")
        boxes = open_list(page).get_by_role("checkbox")
        expect(page.get_by_text("The other runs: The server does not answer")).to_be_visible()
        page.unroute("**/api/v1/runs?*")
        expect(boxes).to_have_count(1)


def test_a_part_of_the_page_that_did_not_come_is_asked_for_again(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run, other = scene.add_run("looked at"), scene.add_run("other")
    seen = visit(scene.api.url)
    seen.page.route("**/parts/comparison.js", lambda route: route.abort())
    with seen.tolerating(CUT_OFF):
        page = seen.go(f"#/runs/{run.id}?with={other.id}")
        see_runs(page, "looked at")
        expect(page.locator("#message")).to_contain_text("could not be loaded")
        see_runs(page, "looked at", "other")
    expect(page.locator("#message")).to_be_empty()


def test_runs_of_one_name_are_told_apart(scene: Scene, visit: Callable[..., Visit]) -> None:
    one, other = scene.add_run("same"), scene.add_run("same")
    page = visit(scene.api.url).go(f"#/runs/{one.id}?with={other.id}")
    see_runs(page, f"same ({one.id[:8]})", f"same ({other.id[:8]})")


def test_shares_are_hovered_over_to_a_fraction_of_a_percent(
    scene: Scene, visit: Callable[..., Visit]
) -> None:
    run = scene.add_run("looked at")
    page = visit(scene.api.url).go(f"#/runs/{run.id}")
    see_runs(page, "looked at")
    page.wait_for_function("() => document.querySelectorAll('.chart .main-svg').length >= 5")
    formats = page.evaluate(FORMATS)
    assert formats["Validation error"] == ".2%"
    assert formats["Share of the time that training waited for photos"] == ".1%"


@pytest.mark.parametrize("touched", [True, False])
def test_a_finger_scrolls_over_a_chart_and_a_mouse_zooms(
    scene: Scene, visit: Callable[..., Visit], touched: bool
) -> None:
    run = scene.add_run("looked at")
    page = visit(scene.api.url, is_mobile=touched, has_touch=touched).go(f"#/runs/{run.id}")
    see_runs(page, "looked at")
    mode = page.evaluate("() => document.querySelector('.chart')._fullLayout.dragmode")
    assert mode == (False if touched else "zoom")


@pytest.mark.parametrize("kind", ["steps", "epochs"])
def test_figures_are_saved_as_the_api_tells_them(
    scene: Scene, visit: Callable[..., Visit], kind: str
) -> None:
    run = scene.add_run("looked at")
    page = visit(scene.api.url).go(f"#/runs/{run.id}")
    see_runs(page, "looked at")
    with page.expect_download() as saving:
        page.get_by_role("button", name=f"{kind.capitalize()} as CSV").click()
    assert saving.value.suggested_filename == f"looked at-{kind}.csv"
    with saving.value.path().open(newline="") as file:
        rows = list(csv.DictReader(file))
    with Client(scene.api.url) as client:
        if kind == "steps":
            told = client.runs.metrics(run.id, limit=STEPS)
        else:
            run.move_to(JobState.STOPPED)
            events = client.runs.events(run.id)
            told = [{"at": event.at, **event.data} for event in events if event.kind is EventKind.EPOCH]
    assert len(rows) == STEPS
    for row, line in zip(rows, told, strict=True):
        assert {name: type(line[name])(value) for name, value in row.items()} == {
            name: line[name] for name in row
        }
