"""A run of ten thousand steps is drawn whole, in bounded memory, with all that befell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from drawn_run import heap_bytes, points_of, renderer_bytes, seconds_until_drawn
from lone_api import lone_api
from playwright.sync_api import Page, expect
from recorded_home import RecordedHome
from recorded_training import EPOCHS, POINTS, STEPS, record_long_run
from visit import Visit

from service.client import Client

pytestmark = pytest.mark.browser

MOST_BYTES = 200e6
LINES = """
  () => [...document.querySelectorAll(".chart")].flatMap((chart) =>
    chart.data.map(({ name, x, y }) => ({ name, x: Array.from(x), y: Array.from(y) })))
"""


class LongRun(NamedTuple):
    url: str
    run_id: str


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongRun]:
    home = tmp_path_factory.mktemp("long") / "home"
    with RecordedHome(home) as recorded:
        run_id = record_long_run(recorded)
    with lone_api(home) as api:
        yield LongRun(api.url, run_id)


@pytest.fixture
def drawn(long_run: LongRun, visit: Callable[..., Visit]) -> Page:
    page = visit(long_run.url).go(f"#/runs/{long_run.run_id}")
    seconds_until_drawn(page, POINTS)
    return page


def test_every_point_is_drawn_as_the_api_tells_it(long_run: LongRun, drawn: Page) -> None:
    assert points_of(drawn) == POINTS
    lines = drawn.evaluate(LINES)
    assert sorted(len(line["y"]) for line in lines) == [EPOCHS] * 3 + [STEPS] * 4
    with Client(long_run.url) as client:
        measured = client.runs.metrics(long_run.run_id, limit=STEPS)
    for column in ("loss", "learning_rate", "images_per_second", "wait_share"):
        told = [line[column] for line in measured]
        assert [line["x"] for line in lines if line["y"] == told] == [[line["step"] for line in measured]]


def test_it_stays_within_its_memory(drawn: Page) -> None:
    assert heap_bytes(drawn) < renderer_bytes(drawn) < MOST_BYTES


def test_what_befell_it_is_told(drawn: Page) -> None:
    rows = {
        name: drawn.get_by_role("table", name=name).get_by_role("row")
        for name in ("Attempts", "What befell it", "Checkpoints")
    }
    assert [rows[name].count() - 1 for name in ("Attempts", "Checkpoints")] == [2, 3]
    for what in ("out of memory, perhaps", "asked to stop", "loading.workers=2"):
        expect(rows["What befell it"].filter(has_text=what)).to_have_count(1)
