"""A view that was left is gone: nothing of it speaks, asks or looks any longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from lone_api import LoneApi, lone_api
from playwright.sync_api import Page, Route, expect
from recorded_home import RecordedHome
from recorded_training import record_short_run
from visit import Visit

from service.domain.state import JobState

pytestmark = pytest.mark.browser

# The browser asks as it is, but its answer waits until a test lets it come.
SLOW_CAMERA = """
() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    window.streams.push(stream);
    await new Promise((allow) => (window.allow = allow));
    return stream;
  };
}
"""


class Left(NamedTuple):
    url: str
    run: str


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    home = tmp_path_factory.mktemp("left") / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        run = record_short_run(recorded, "paints", "done", warning="slow", log="a line")
        run.move_to(JobState.SUCCEEDED)
        recorded.add_run("paints", 2, name="waiting")
    with lone_api(home) as api:
        yield Left(api.url, run.id)


def leave(page: Page) -> None:
    page.evaluate("location.hash = '#/datasets'")
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()


@pytest.mark.parametrize("address", ["#/runs/%E0", "#/constructor", "#/__proto__", "#/nowhere"])
def test_an_address_that_leads_nowhere_leads_to_the_runs(
    left: Left, visit: Callable[..., Visit], address: str
) -> None:
    seen = visit(left.url)
    page = seen.go("#/datasets")
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    page.evaluate("(address) => { location.hash = address; }", address)
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(page.get_by_role("link", name="done")).to_be_visible()


def test_a_dialog_is_left_with_its_view(left: Left, visit: Callable[..., Visit]) -> None:
    page = visit(left.url).go("#/datasets")
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("button", name="Stop waiting").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_dialog_that_was_asked_for_before_does_not_open_afterwards(
    left: Left, visit: Callable[..., Visit]
) -> None:
    seen = visit(left.url)
    held: list[Route] = []
    seen.page.route("**/api/v1/models", lambda route: held.append(route))
    page = seen.go("#/runs")
    with page.expect_request("**/api/v1/models"):
        page.get_by_role("button", name="Publish done").click()
    leave(page)
    with page.expect_response("**/api/v1/models"):
        held.pop().continue_()
    seen.settle()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_refusal_that_comes_late_is_not_told_of_another_view(
    left: Left, visit: Callable[..., Visit]
) -> None:
    seen = visit(left.url)
    held: list[Route] = []
    seen.page.route("**/stop", lambda route: held.append(route))
    page = seen.go("#/runs")
    page.get_by_role("button", name="Stop waiting").click()
    with page.expect_request("**/stop"):
        page.get_by_role("button", name="Stop it").click()
    leave(page)
    with seen.tolerating("net::ERR_FAILED"):
        held.pop().abort()
        seen.settle()
    expect(page.locator("#message")).to_be_empty()


def test_focus_goes_back_to_what_opened_a_dialog(left: Left, visit: Callable[..., Visit]) -> None:
    page = visit(left.url).go("#/runs")
    for name in ("Stop waiting", "Publish done"):
        button = page.get_by_role("button", name=name)
        button.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(button).to_be_focused()


def test_a_token_that_is_asked_for_below_a_dialog_can_be_given(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        recorded.add_run("paints", 2, name="waiting")
    seen = visit(serve(home, TANDEM_TOKEN="right").url)
    with seen.tolerating("status of 401"):
        page = seen.go("#/runs")
        page.get_by_label("This server asks for a token").fill("right")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Stop waiting").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.evaluate("sessionStorage.setItem(Object.keys(sessionStorage)[0], 'wrong')")
        page.get_by_label("This server asks for a token").fill("right")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("link", name="waiting")).to_be_visible()


def test_a_camera_that_is_allowed_too_late_is_switched_off(left: Left, visit: Callable[..., Visit]) -> None:
    page = visit(left.url).go("#/classify")
    page.evaluate(SLOW_CAMERA)
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function("() => window.allow")
    leave(page)
    page.evaluate("() => window.allow()")
    page.wait_for_function(
        """() => window.streams.flatMap((stream) => stream.getTracks())
          .every(({ readyState }) => readyState === "ended")"""
    )


def test_two_quick_presses_ask_for_one_camera(left: Left, visit: Callable[..., Visit]) -> None:
    page = visit(left.url).go("#/classify")
    page.evaluate(SLOW_CAMERA)
    page.get_by_role("button", name="Use the camera").wait_for()
    page.evaluate(
        """() => {
          const [button] = [...document.querySelectorAll("button")]
            .filter(({ textContent }) => textContent === "Use the camera");
          button.click();
          button.click();
        }"""
    )
    page.wait_for_function("() => window.allow")
    page.evaluate("() => window.allow()")
    page.get_by_role("button", name="Take the photo").wait_for()
    assert page.evaluate("window.streams.length") == 1


def test_a_slider_that_is_dragged_asks_for_the_first_step_and_the_last(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with RecordedHome(home) as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        run = recorded.add_run("paints", 2, name="drawn")
        for step in range(40):
            run.draw_filters(step)
    seen = visit(serve(home).url)
    page = seen.go(f"#/filters/{run.id}")
    expect(page.get_by_role("img", name="Kernels of tower 1 at step 39")).to_be_visible()
    held: list[Route] = []
    page.route("**/filters/*/*", lambda route: held.append(route))
    slider = page.get_by_role("slider", name="Step")
    for _ in range(39):
        slider.press("ArrowLeft")
    expect(page.get_by_text("step 0", exact=True)).to_be_visible()
    asked = [route.request.url.rpartition("/filters/")[2] for route in held]
    assert sorted(asked) == ["38/0", "38/1"]
    for route in list(held):
        route.continue_()
    page.unroute("**/filters/*/*")
    expect(page.get_by_role("img", name="Kernels of tower 1 at step 0")).to_be_visible()
