"""From the start of a run to an answer about a photo, in the browser alone, on the real stack."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_run import points_of
from playwright.sync_api import Page, expect
from visit import Visit

from service.client import Client
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

# Ray takes its time on a busy machine.
PATIENCE_MILLISECONDS = 180_000
DROP = """
  ([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (byte) => byte.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
    for (const kind of ["dragenter", "dragover", "drop"]) {
      document.querySelector("main").dispatchEvent(
        new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }
  }
"""


def drop(page: Page, photo: Path) -> None:
    """As a reader does who lets a file go above the page."""
    page.evaluate(DROP, [photo.name, base64.b64encode(photo.read_bytes()).decode()])


def see_state(page: Page, state: JobState) -> None:
    expect(page.get_by_text(state, exact=True).first).to_be_visible(timeout=PATIENCE_MILLISECONDS)


def see_more_points(page: Page) -> None:
    before = points_of(page)
    page.wait_for_function(
        """(before) => [...document.querySelectorAll(".chart")]
          .flatMap((chart) => chart.data ?? []).reduce((sum, { y }) => sum + y.length, 0) > before""",
        arg=before,
        timeout=PATIENCE_MILLISECONDS,
    )


def test_a_run_is_started_watched_stopped_resumed_published_and_asked(
    stack: Stack, client: Client, dataset: str, photos: Path, visit: Callable[..., Visit]
) -> None:
    seen = visit(stack.url)
    page = seen.go("#/runs")
    page.get_by_role("link", name="Start a run").click()
    page.get_by_label(re.compile("^Dataset")).select_option(dataset)
    page.get_by_label("Name", exact=True).fill("first")
    page.get_by_label("Network", exact=True).select_option("alexnet-tiny")
    page.get_by_label("Recipe", exact=True).select_option("quick")
    page.get_by_label("Epochs", exact=True).fill("5000")
    page.get_by_label("Global batch size", exact=True).fill("32")
    page.get_by_role("button", name="Start").click()

    expect(page.get_by_role("heading", name="first")).to_be_visible()
    run_id = page.url.rpartition("/")[2]
    see_state(page, JobState.RUNNING)
    see_more_points(page)
    see_more_points(page)

    page.get_by_role("button", name="Stop first").click()
    page.get_by_role("button", name="Stop it").click()
    see_state(page, JobState.STOPPED)
    stopped = client.runs.get(run_id)
    assert stopped.checkpoints[-1].step == stopped.progress.step

    page.get_by_role("button", name="Resume first").click()
    see_state(page, JobState.RUNNING)
    see_more_points(page)
    page.get_by_role("button", name="Stop first").click()
    page.get_by_role("button", name="Stop it").click()
    see_state(page, JobState.STOPPED)
    assert client.runs.get(run_id).progress.step > stopped.progress.step

    page.get_by_role("button", name="Publish first").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(re.compile("^Model")).fill("first")
    dialog.get_by_role("button", name="Publish").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("status").filter(has_text="first, version 1 is published")).to_be_visible()
    assert [version.run_id for version in client.models.get("first").versions] == [run_id]

    photo = photos / "val" / "blue" / "003.jpg"
    page.get_by_role("link", name="Classify").click()
    # The training photos are being indexed, and the page says so.
    with seen.tolerating("status of 409.*/similar"):
        page.get_by_role("heading", name="Classify").wait_for()
        drop(page, photo)
        likely = page.get_by_role("list").filter(has_text="%").last.get_by_role("listitem")
        answer = client.classify([photo], model="first").predictions[0].top_k
        expect(likely).to_contain_text([guess.label for guess in answer])
