"""What lies beyond the first page of a list can be reached, and the newest comes by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from lone_api import lone_api
from playwright.sync_api import Route, expect
from recorded_home import RecordedHome, RecordedRun
from visit import Visit

from pipeline.shards.record import QuarantinedPhoto
from service.domain.state import JobState

pytestmark = pytest.mark.browser

# More than the API gives at a time.
RUNS = 210
PHOTOS = 450


class Long(NamedTuple):
    url: str
    recorded: RecordedHome
    runs: dict[str, RecordedRun]
    oldest: str


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Long]:
    home = tmp_path_factory.mktemp("long") / "home"
    photos = [
        QuarantinedPhoto(f"{number:04}.jpg", "train", 0, "not_an_image", "empty") for number in range(PHOTOS)
    ]
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"], photos)
        recorded.draw("paints")
        runs: dict[str, RecordedRun] = {}
        for name in map("run {}".format, range(RUNS)):
            runs[name] = recorded.add_run("paints", 2, name=name)
            # Each of a millisecond of its own: of one and the same, they have no order.
            time.sleep(0.002)
        runs["run 0"].draw_filters(1)
        with lone_api(home) as api:
            yield Long(api.url, recorded, runs, runs["run 0"].id)


def test_every_run_is_reached_and_a_new_one_displaces_none(long: Long, visit: Callable[..., Visit]) -> None:
    page = visit(long.url).go("#/runs")
    names = page.get_by_role("heading", level=2)
    older = page.get_by_role("button", name="Show older runs")
    for shown in range(30, RUNS, 30):
        expect(names).to_have_count(shown)
        older.click()
    expect(older).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expected = [f"run {number}" for number in reversed(range(RUNS))]
    expect(names).to_have_text(expected)
    long.recorded.add_run("paints", 2, name="new")
    expect(names).to_have_text(["new", *expected])

    page.get_by_label("Named").fill("RUN 20")
    expect(names).to_have_text([*(f"run {number}" for number in reversed(range(200, RUNS))), "run 20"])
    page.get_by_label("Named").fill("none of these")
    expect(page.get_by_text("None of the runs that are shown has such a name.")).to_be_visible()


def test_a_run_that_is_displaced_while_older_ones_are_asked_for_stays(
    long: Long, visit: Callable[..., Visit]
) -> None:
    seen = visit(long.url)
    held: list[Route] = []
    seen.page.route("**/runs?*cursor=*", lambda route: held.append(route))
    page = seen.go("#/runs")
    names = page.get_by_role("heading", level=2)
    expect(names).to_have_count(30)
    before = names.all_inner_texts()
    with page.expect_request("**/runs?*cursor=*"):
        page.get_by_role("button", name="Show older runs").click()
    long.recorded.add_run("paints", 2, name="displacing")
    expect(names.first).to_have_text("displacing")
    held.pop().continue_()
    expect(names).to_have_count(61)
    assert names.all_inner_texts()[:31] == ["displacing", *before]


def test_an_older_run_is_kept_up_to_date(long: Long, visit: Callable[..., Visit]) -> None:
    page = visit(long.url).go("#/runs")
    older = page.get_by_role("button", name="Show older runs")
    for _ in range(3):
        older.click()
    # Beyond what a hundred and twenty newer ones leave room for, but for one.
    named = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="run 105", exact=True))
    expect(named).to_contain_text("queued")
    long.runs["run 105"].move_to(JobState.STOPPED)
    expect(named).to_contain_text("stopped")


def test_going_through_the_runs_of_the_filters_by_keyboard_stays_where_it_is(
    long: Long, visit: Callable[..., Visit]
) -> None:
    page = visit(long.url).go(f"#/filters/{long.oldest}")
    expect(page.get_by_role("img", name="Kernels of tower 1 at step 1")).to_be_visible()
    choice = page.get_by_label("Run")
    choice.focus()
    for _ in range(2):
        before = page.url
        choice.press("ArrowUp")
        expect(choice).to_be_focused()
        expect(page).not_to_have_url(before)
    expect(page.get_by_role("img")).to_have_count(0)
    expect(page.get_by_text("This run has left no pictures yet")).to_be_visible()


def test_a_picture_that_comes_after_another_run_was_chosen_stands_for_no_other(
    long: Long, visit: Callable[..., Visit]
) -> None:
    seen = visit(long.url)
    held: list[Route] = []
    seen.page.route(f"**/runs/{long.oldest}/filters/1/*", lambda route: held.append(route))
    with seen.page.expect_request(f"**/runs/{long.oldest}/filters/1/*"):
        page = seen.go(f"#/filters/{long.oldest}")
    newest = long.runs[f"run {RUNS - 1}"]
    newest.draw_filters(1)
    page.get_by_label("Run").select_option(newest.id)
    expect(page).to_have_url(re.compile(newest.id))
    for route in held:
        route.continue_()
    expect(page.get_by_role("img", name="Kernels of tower 1 at step 1")).to_be_visible()


def test_filters_of_a_run_that_is_older_than_all_listed_are_shown(
    long: Long, visit: Callable[..., Visit]
) -> None:
    page = visit(long.url).go(f"#/filters/{long.oldest}")
    expect(page.get_by_role("img", name="Kernels of tower 1 at step 1")).to_be_visible()
    expect(page.get_by_label("Run")).to_have_value(long.oldest)


def test_every_photo_in_quarantine_is_reached(long: Long, visit: Callable[..., Visit]) -> None:
    page = visit(long.url).go("#/datasets/paints")
    photos = page.get_by_role("table", name="Photos that were left out").locator("tbody tr")
    more = page.get_by_role("button", name="Show more")
    for shown, left in ((200, 250), (400, 50)):
        expect(photos).to_have_count(shown)
        expect(more).to_have_text(f"Show more ({left} left)")
        more.click()
    expect(photos).to_have_count(PHOTOS)
    expect(more).to_be_hidden()
    expect(photos.last).to_contain_text(f"{PHOTOS - 1:04}.jpg")
