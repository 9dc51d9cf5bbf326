"""The published models: their versions, the aliases that are moved between them, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest
from accessibility import GRAVE, violations
from lone_api import LoneApi
from playwright.sync_api import Locator, Page, expect
from recorded_home import RecordedHome
from visit import Visit
from whole_course import OF_OTHER_TESTS, WholeCourse

from model.published import DatasetOrigin
from pipeline.shards.manifest import Manifest
from service.client import ApiError, Client
from service.domain.indexing import INDEX_FOLDER
from service.domain.state import JobState
from service.operations.indexing import IndexOperations
from service.store.job_edit import JobEdit
from service.store.models import ModelStore

pytestmark = pytest.mark.browser

ERRORS = {"val_top1_error": 0.25, "val_top5_error": 0.0625}
# What the browser says of an index that is not there, and of what the API refuses.
NO_INDEX = "status of 404.*/index"
REFUSED = "status of (409|422)"
# The API looks after its jobs meanwhile, and begins them.
UNDER_WAY = re.compile("^(queued|being built)$")


class Shades(NamedTuple):
    """A home with two versions of a model, `production` being the second, and who looks at them."""

    home: RecordedHome
    client: Client
    seen: Visit
    run: str

    def open(self) -> Page:
        self.seen.go("#/models")
        return self.seen.settle()


@pytest.fixture
def shades(serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path) -> Iterator[Shades]:
    with RecordedHome(tmp_path / "home") as recorded:
        recorded.add_dataset("paints", ["amber", "blue"])
        run = recorded.add_run("paints", 2, name="second try")
        run.move_to(JobState.SUCCEEDED)
        checksum = Manifest.load(recorded.settings.datasets / "paints").checksum
        origin = DatasetOrigin(name="paints", checksum=checksum)
        recorded.add_version("shades", run_id="a-run-of-before", metrics={}, dataset=origin)
        recorded.add_version("shades", run_id=run.id, step=40, metrics=ERRORS, dataset=origin)
        with begun_index(recorded, 1) as edit:
            edit.move_to(JobState.FAILED, "no photo could be read")
        api = serve(tmp_path / "home")
        with Client(api.url) as client:
            client.models.set_alias("shades", "production", 2)
            seen = visit(api.url)
            with seen.tolerating(f"{NO_INDEX}|status of 404.*/runs/a-run-of-before"):
                yield Shades(recorded, client, seen, run.id)


def begun_index(home: RecordedHome, number: int) -> AbstractContextManager[JobEdit]:
    """The job that makes the index of a version, begun."""
    models = ModelStore(home.settings.models)
    job = IndexOperations(home.settings, home.jobs, models).begin("shades", number).job
    assert job is not None
    with home.jobs.editing(job.id) as edit:
        edit.begin_attempt()
        edit.move_to(JobState.STARTING)
    return home.jobs.editing(job.id)


def version(page: Page, number: int) -> Locator:
    """The card of a version, where there is one model."""
    heading = page.get_by_role("heading", name=f"Version {number}", exact=True)
    return page.locator("li.card").filter(has=heading)


def aliases(page: Page, number: int) -> Locator:
    return version(page, number).locator("strong")


def fact(card: Locator, term: str) -> Locator:
    return card.locator("div").filter(has=card.page.get_by_text(term, exact=True)).locator("dd").last


def test_before_any_is_published_the_page_says_how_a_model_comes_to_be(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    with RecordedHome(tmp_path / "home"):
        pass
    page = visit(serve(tmp_path / "home").url).go("#/runs")
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_text("No models yet. Publish a run's checkpoint")).to_be_visible()
    expect(page.get_by_role("link", name="Models", exact=True)).to_have_attribute("aria-current", "page")


def test_versions_are_listed_newest_first_with_where_they_come_from(shades: Shades) -> None:
    page = shades.open()
    expect(page.get_by_role("heading", level=2)).to_have_text(["shades"])
    expect(page.get_by_role("heading", level=3)).to_have_text(["Version 2", "Version 1"])
    newest, oldest = version(page, 2), version(page, 1)
    expect(newest).to_contain_text("From second try at step 40 · paints · alexnet-tiny")
    expect(oldest).to_contain_text("From a-run-of, which is deleted, at step 1")
    expect(aliases(page, 2)).to_have_text(["production"])
    expect(aliases(page, 1)).to_have_count(0)
    for term, texts in {
        "Top-1 error": ("25.0 %", "–"),
        "Top-5 error": ("6.3 %", "–"),
        "Weights' SHA-256": ("f" * 12 + "…",) * 2,
        "Index": ("none", "failed"),
    }.items():
        for card, text in zip((newest, oldest), texts, strict=True):
            expect(fact(card, term)).to_have_text(text)
    assert oldest.get_by_role("link").count() == 0
    newest.get_by_role("link", name="second try").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("second try")


def test_production_moves_back_to_an_older_version(shades: Shades) -> None:
    page = shades.open()
    page.get_by_role("button", name="Move an alias here: shades, version 1").click()
    expect(page.get_by_label("Alias needed")).to_have_value("production")
    page.get_by_role("button", name="Move it").click()
    expect(aliases(page, 1)).to_have_text(["production"])
    expect(aliases(page, 2)).to_have_count(0)
    assert shades.client.models.get("shades").aliases == {"production": 1}


def test_an_alias_that_the_api_refuses_is_refused_in_its_words(shades: Shades) -> None:
    page = shades.open()
    page.get_by_role("button", name="Move an alias here: shades, version 1").click()
    page.get_by_label("Alias needed").fill("2")
    with shades.seen.tolerating(REFUSED):
        page.get_by_role("button", name="Move it").click()
        expect(page.get_by_role("dialog")).to_contain_text("'2' is a version's number")
    page.get_by_label("Alias needed").fill("canary")
    page.get_by_role("button", name="Move it").click()
    expect(aliases(page, 1)).to_have_text(["canary"])
    assert shades.client.models.get("shades").aliases == {"production": 2, "canary": 1}


def test_an_alias_is_removed_and_its_version_stays(shades: Shades) -> None:
    page = shades.open()
    page.get_by_role("button", name="Remove alias production of shades").click()
    page.get_by_role("button", name="Remove it").click()
    expect(aliases(page, 2)).to_have_count(0)
    left = shades.client.models.get("shades")
    assert (left.aliases, [each.version for each in left.versions]) == ({}, [1, 2])


def test_a_version_that_an_alias_names_is_not_deleted_and_another_one_is(shades: Shades) -> None:
    page = shades.open()
    with shades.seen.tolerating(REFUSED):
        page.get_by_role("button", name="Delete: shades, version 2").click()
        page.get_by_role("button", name="Delete it").click()
        refusal = version(page, 2).get_by_role("alert")
        expect(refusal).to_contain_text("version 2 of model 'shades' is what production means")
    page.get_by_role("button", name="Delete: shades, version 1").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("heading", level=3)).to_have_text(["Version 2"])
    assert [each.version for each in shades.client.models.get("shades").versions] == [2]


@pytest.mark.parametrize("number", [1, 2], ids=["that failed", "that was never built"])
def test_an_index_is_built(shades: Shades, number: int) -> None:
    page = shades.open()
    build = page.get_by_role("button", name=f"Build the index: shades, version {number}")
    build.click()
    expect(fact(version(page, number), "Index")).to_have_text(UNDER_WAY)
    expect(build).to_be_hidden()
    assert not shades.client.models.index("shades", number).state.is_terminal


def test_how_far_an_index_is_and_why_it_failed_is_told(shades: Shades) -> None:
    with begun_index(shades.home, 2) as edit:
        edit.move_to(JobState.RUNNING)
        edit.row.progress = {"photos_done": 1040, "photos_total": 2000}
    page = shades.open()
    index = fact(version(page, 2), "Index")
    expect(index).to_have_text("being built, 1,040 of 2,000 photos")
    (shades.home.settings.models / "shades" / "2" / INDEX_FOLDER).mkdir()
    job = shades.home.jobs.newest_named("index", "shades/2")
    assert job is not None
    with shades.home.jobs.editing(job.id) as edit:
        edit.move_to(JobState.SUCCEEDED)
    expect(index).to_have_text("ready")
    expect(fact(version(page, 1), "Index")).to_have_text("failed")
    expect(version(page, 1)).to_contain_text("no photo could be read")


def test_an_index_whose_photos_are_gone_is_refused_beside_its_version(shades: Shades) -> None:
    page = shades.open()
    shades.client.datasets.delete("paints")
    with shades.seen.tolerating(REFUSED):
        page.get_by_role("button", name="Build the index: shades, version 2").click()
        expect(version(page, 2).get_by_role("alert")).to_contain_text("'paints' is not there any more")
    with pytest.raises(ApiError, match="has no index"):
        shades.client.models.index("shades", 2)


def test_the_keyboards_place_stays_while_others_move_an_alias(shades: Shades) -> None:
    page = shades.open()
    button = page.get_by_role("button", name="Delete: shades, version 1")
    button.focus()
    shades.client.models.set_alias("shades", "production", 1)
    shades.home.add_version("shades")
    with shades.seen.tolerating("status of 404.*/runs/run-0"):
        expect(aliases(page, 1)).to_have_text(["production"])
        expect(page.get_by_role("heading", level=3)).to_have_text(["Version 3", "Version 2", "Version 1"])
    expect(button).to_be_focused()


def test_of_many_versions_the_newest_are_shown_and_those_with_an_alias(shades: Shades) -> None:
    for _ in range(20):
        shades.home.add_version("shades", run_id=shades.run)
    page = shades.open()
    numbers = page.get_by_role("heading", level=3)
    expect(numbers).to_have_text([f"Version {number}" for number in (*range(22, 12, -1), 2)])
    page.get_by_role("button", name="Show older versions of shades (11 left)").click()
    expect(numbers).to_have_text([f"Version {number}" for number in range(22, 1, -1)])
    page.get_by_role("button", name="Show older versions of shades (1 left)").click()
    expect(numbers).to_have_text([f"Version {number}" for number in range(22, 0, -1)])


@pytest.mark.parametrize("width", [1280, 360])
def test_refusals_and_long_names_keep_nobody_out(shades: Shades, width: int) -> None:
    shades.client.models.set_alias("shades", "W" * 64, 2)
    shades.seen.page.set_viewport_size({"width": width, "height": 800})
    page = shades.open()
    with shades.seen.tolerating(REFUSED):
        page.get_by_role("button", name="Delete: shades, version 2").click()
        page.get_by_role("button", name="Delete it").click()
        expect(version(page, 2).get_by_role("alert")).to_be_visible()
    sideways = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(sideways) == 0
    assert [str(each) for each in violations(page) if each.impact in GRAVE] == []
    page.get_by_role("button", name="Move an alias here: shades, version 1").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert [str(each) for each in violations(page) if each.impact in GRAVE] == []


@pytest.mark.cluster
def test_after_the_way_back_the_older_version_answers(
    course: WholeCourse, client: Client, visit: Callable[..., Visit]
) -> None:
    for run in (course.other, course.run):
        number = client.models.publish("regretted", run).version
    assert client.classify([course.photo], model="regretted").version == number == 2
    seen = visit(course.url)
    with seen.tolerating(OF_OTHER_TESTS):
        page = seen.go("#/models")
        page.get_by_role("button", name="Move an alias here: regretted, version 1").click()
        page.get_by_role("button", name="Move it").click()
        named = page.get_by_role("button", name="Remove alias production of regretted")
        expect(page.locator("li.card").filter(has=named)).to_contain_text("From first try")
    assert client.classify([course.photo], model="regretted").version == 1
    # Where no model is named, that of the course is to answer others.
    client.models.set_alias("shown", "production", 1)
