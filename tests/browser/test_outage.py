"""A page that is open while its server ends says so, and is right again without being loaded anew."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from lone_api import LoneApi, lone_api
from playwright.sync_api import expect
from recorded_home import RecordedHome
from visit import OUTAGE, Visit
from whole_course import WholeCourse

from service.client import Client
from service.stack.up import Stack

pytestmark = pytest.mark.browser

FOUND_AGAIN_MILLISECONDS = 120_000


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneApi]:
    home = tmp_path_factory.mktemp("outage") / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        recorded.add_run("paints", 2, name="before").begin()
    with lone_api(home) as api:
        yield api


@pytest.mark.parametrize("view", ["#/runs", "#/datasets"])
def test_a_server_that_was_killed_is_missed_and_found_again(
    api: LoneApi, visit: Callable[..., Visit], view: str
) -> None:
    seen = visit(api.url)
    page = seen.go(view)
    expect(page.get_by_text("before" if view == "#/runs" else "paints").first).to_be_visible()
    page.evaluate("() => { window.loadedOnce = true; }")
    missing = page.get_by_role("status").filter(has_text="does not answer")
    with seen.tolerating(OUTAGE):
        api.kill()
        expect(missing).to_be_visible()
        api.start()
        # Two tries may lie half a minute apart by then.
        expect(missing).to_be_hidden(timeout=FOUND_AGAIN_MILLISECONDS)
    if view == "#/runs":
        with Client(api.url) as client:
            (run,) = client.runs.list()
            client.runs.stop(run.id, "now")
        expect(page.get_by_text("stopping").first).to_be_visible()
    assert page.evaluate("window.loadedOnce")


@pytest.mark.cluster
def test_the_api_of_a_stack_is_killed_below_an_open_run(
    stack: Stack, course: WholeCourse, visit: Callable[..., Visit]
) -> None:
    api, seen = stack.child("api"), visit(course.url)
    page = course.open(seen, "run")
    missing = page.get_by_role("status").filter(has_text="does not answer")
    with seen.tolerating(OUTAGE):
        os.kill(api.pid, signal.SIGKILL)
        expect(missing).to_be_visible()
        while api.is_alive:
            time.sleep(0.05)
        stack.revive()
        stack.wait_until_ready()
        expect(missing).to_be_hidden(timeout=FOUND_AGAIN_MILLISECONDS)
    expect(page.get_by_role("heading", name="second try")).to_be_visible()
