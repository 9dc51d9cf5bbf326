"""A preparation that has ended early is asked for again as it was asked for before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lone_api import LoneApi
from playwright.sync_api import expect
from recorded_home import RecordedHome
from visit import Visit

from service.client import Client
from service.domain.spec import DatasetSpec
from service.domain.state import JobState
from service.operations.datasets import DatasetOperations

pytestmark = pytest.mark.browser


def test_the_form_is_filled_as_it_was_and_asks_for_the_same(
    serve: Callable[..., LoneApi], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    asked = DatasetSpec.model_validate(
        {
            "name": "paints",
            "source": {"path": str(photos), "type": "folder"},
            "val_fraction": 0.2,
            "image_size": 72,
            "write_mode": "proportion",
            "raw_fraction": 0.25,
            "chroma_subsampling": "4:4:4",
            "max_pixels": 10**6,
        }
    )
    with RecordedHome(tmp_path / "home") as recorded:
        job = DatasetOperations(recorded.settings, recorded.jobs).create(asked, confined=False)
        with recorded.jobs.editing(job.id) as edit:
            edit.move_to(JobState.STARTING)
            edit.move_to(JobState.FAILED, "no photo could be used")
    api = serve(tmp_path / "home")
    with Client(api.url) as client:
        page = visit(api.url).go("#/datasets")
        page.get_by_role("link", name="Prepare again paints").click()
        expect(page.get_by_label("Path needed")).to_have_value(str(photos))
        page.get_by_role("button", name="Prepare").click()
        expect(page.get_by_role("heading", name="paints")).to_be_visible()
        again = client.datasets.get("paints")
        assert not again.state.is_terminal
        assert DatasetSpec.model_validate(again.spec) == asked
