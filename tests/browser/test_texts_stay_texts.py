"""Whatever people or their files are called, the page shows it as text: nothing of it is ever run."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from lone_api import lone_api
from PIL import Image
from playwright.sync_api import Page, expect
from recorded_home import RecordedHome
from recorded_training import record_short_run
from shared_stack import wait_for_dataset
from visit import Visit
from whole_course import publish

from model.published import DatasetOrigin
from pipeline.shards.record import QuarantinedPhoto
from service.client import Client
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = pytest.mark.browser

SCRIPT = "<script>window.hacked=1</script>"
PICTURE = "<img src=x onerror=window.hacked=1>"
DATASET = "hostile"
CLASSES = (f"class {SCRIPT}", f"class {PICTURE}")
# Below a bar there is room for the beginning of a name.
NAMES_OF_BARS = [name[:24] for name in CLASSES]
VIEWS = {
    "#/runs": [f"run {SCRIPT}"],
    "#/runs/{run}": [f"run {SCRIPT}", f"warning {PICTURE}", f"log {SCRIPT}", f"reason {PICTURE}"],
    "#/runs/{run}?with={other}": [f"run {SCRIPT}", f"other {PICTURE}"],
    "#/start?like={run}": [],
    "#/datasets": [],
    "#/datasets/hostile": [*NAMES_OF_BARS, f"path {PICTURE}", f"detail {SCRIPT}"],
    "#/models": [f"run {SCRIPT}", f"dataset {PICTURE}"],
    "#/classify": [],
    "#/filters": [f"run {SCRIPT}"],
    "#/filters/{run}": [],
    "#/cluster": [],
}


class Hostile(NamedTuple):
    url: str
    run: str
    other: str


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    home = tmp_path_factory.mktemp("hostile") / "home"
    quarantined = [
        QuarantinedPhoto(f"path {PICTURE}/{number}.jpg", "train", 0, "not_an_image", f"detail {SCRIPT}")
        for number in range(3)
    ]
    with RecordedHome(home) as recorded:
        recorded.add_dataset(DATASET, CLASSES, quarantined)
        run, other = (
            record_short_run(recorded, DATASET, name, warning=f"warning {PICTURE}", log=f"log {SCRIPT}")
            for name in (f"run {SCRIPT}", f"other {PICTURE}")
        )
        run.move_to(JobState.FAILED, f"reason {PICTURE}")
        other.move_to(JobState.SUCCEEDED)
        origin = DatasetOrigin(name=f"dataset {PICTURE}", checksum="")
        recorded.add_version("shades", run_id=run.id, dataset=origin)
    with lone_api(home) as api:
        yield Hostile(api.url, run.id, other.id)


def assert_unharmed(page: Page) -> None:
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("img[src='x'], body script").count() == 0


@pytest.mark.parametrize("view", VIEWS)
def test_names_and_reasons_are_shown_as_they_are(
    hostile: Hostile, visit: Callable[..., Visit], view: str
) -> None:
    seen = visit(hostile.url)
    # There is neither Ray nor serving here, nor a photo to draw or an index of any.
    with seen.tolerating("status of 503|status of 404.*(contact-sheet|mean-image|index)"):
        page = seen.go(view.format(run=hostile.run, other=hostile.other))
        for text in VIEWS[view]:
            expect(page.locator("main")).to_contain_text(text)
        seen.settle()
    assert_unharmed(page)


@pytest.mark.cluster
def test_a_class_in_an_answer_is_shown_as_it_is(
    stack: Stack, client: Client, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    for name, colour in ((PICTURE, "white"), ("dark", "black")):
        for number in range(10):
            path = tmp_path / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (72, 72 + number), colour).save(path)
    spec = {"name": DATASET, "source": {"path": str(tmp_path / "photos")}, "val_fraction": 0.2}
    client.datasets.create({**spec, "image_size": 72})
    wait_for_dataset(client, DATASET)
    run = client.runs.create(
        {
            "dataset": DATASET,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "max_steps": 1, "global_batch_size": 8},
        }
    )
    assert list(client.runs.events(run.id))[-1].data["state"] == "succeeded"
    publish(client, DATASET, run.id)

    photo = io.BytesIO()
    Image.new("RGB", (80, 60), "white").save(photo, "PNG")
    page = visit(stack.url).go("#/classify")
    file = {"name": f"{PICTURE}.png", "mimeType": "image/png", "buffer": photo.getvalue()}
    page.locator("input[type=file]").first.set_input_files(file)
    likely = page.get_by_role("listitem").filter(has_text="%")
    expect(likely.filter(has_text=PICTURE).first).to_be_visible()
    assert_unharmed(page)
