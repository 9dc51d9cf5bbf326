"""Where there is nothing to show yet the page says so, and shows it once it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lone_api import LoneApi
from playwright.sync_api import expect
from recorded_home import RecordedHome
from visit import Visit

from service.client import Client

pytestmark = pytest.mark.browser

DROP_A_TEXT = """
() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.setData("text/plain", "a word");
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}
"""


def test_before_any_model_is_published_the_page_says_so(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    with RecordedHome(tmp_path / "home"):
        pass
    page = visit(serve(tmp_path / "home").url).go("#/classify")
    expect(page.get_by_text("No model has been published yet.")).to_be_visible()
    expect(page.get_by_label("Model").get_by_role("option")).to_have_text(["the default model"])


def test_what_is_dropped_and_is_no_photo_is_answered_in_words(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    with RecordedHome(tmp_path / "home"):
        pass
    page = visit(serve(tmp_path / "home").url).go("#/classify")
    expect(page.get_by_role("heading", name="Classify")).to_be_visible()
    page.evaluate(DROP_A_TEXT)
    expect(page.get_by_text("There was no photo in what was dropped.")).to_be_visible()


def test_an_alias_that_moves_is_seen_to_move(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    with RecordedHome(tmp_path / "home") as recorded:
        for _ in range(2):
            recorded.add_version("shades")
    api = serve(tmp_path / "home")
    with Client(api.url) as client:
        page = visit(api.url).go("#/classify")
        options = page.get_by_label("Model").get_by_role("option")
        for version, texts in (
            (1, ["the default model", "shades, version 2", "shades, version 1 (production)"]),
            (2, ["the default model", "shades, version 2 (production)", "shades, version 1"]),
        ):
            client.models.set_alias("shades", "production", version)
            expect(options).to_have_text(texts)


def test_filters_of_a_run_that_has_left_none_are_announced(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    with RecordedHome(tmp_path / "home") as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        run = recorded.add_run("paints", 2, name="young")
    page = visit(serve(tmp_path / "home").url).go("#/filters")
    expect(page.get_by_text("This run has left no pictures yet")).to_be_visible()
    run.draw_filters(1)
    expect(page.get_by_role("img", name="Kernels of tower 1 at step 1")).to_be_visible()
    expect(page.get_by_text("This run has left no pictures yet")).to_be_hidden()
