"""What a reader of the page may come upon: two runs that are over, a model, and a photo to ask about."""

from __future__ import annotations

import time
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from playwright.sync_api import Page
from visit import Visit

from service.client import Client
from service.domain.events import EventKind

VIEWS: Final = MappingProxyType(
    {
        "runs": "#/runs",
        "run": "#/runs/{run}",
        "two runs": "#/runs/{run}?with={other}",
        "start": "#/start",
        "datasets": "#/datasets",
        "dataset": "#/datasets/{dataset}",
        "models": "#/models",
        "classify": "#/classify",
        "filters": "#/filters",
        "filters of a run": "#/filters/{run}",
        "cluster": "#/cluster",
    }
)
# Their versions may have outlived the runs that they come from, and have no index.
OF_OTHER_TESTS: Final = "status of 404.*(/runs/|/index)"


class WholeCourse(NamedTuple):
    """A stack on which photos were prepared, learnt and published, and what is to be seen there."""

    url: str
    dataset: str
    run: str
    other: str
    photo: Path

    def open(self, seen: Visit, view: str) -> Page:
        """Opens one of VIEWS, with all that it has to show."""
        with seen.tolerating(OF_OTHER_TESTS):
            seen.go(VIEWS[view].format(**self._asdict()))
            page = seen.settle()
        if view == "classify":
            page.locator("input[type=file]").first.set_input_files(self.photo)
            seen.settle()
        return page


def run_course(client: Client, url: str, dataset: str, photo: Path, epochs: int = 3) -> WholeCourse:
    """Trains twice on a dataset that is whole, and publishes the second as `shown`."""
    first, second = (
        client.runs.create(
            {
                "name": name,
                "dataset": dataset,
                "seed": seed,
                "model": {"preset": "alexnet-tiny"},
                "recipe": {"preset": "quick", "epochs": epochs, "global_batch_size": 32},
                "checkpoint": {"every_steps": 8},
            }
        )
        for seed, name in enumerate(("first try", "second try"))
    )
    for run in (first, second):
        assert [event.data for event in client.runs.events(run.id) if event.kind is EventKind.END] == [
            {"state": "succeeded", "reason": None}
        ]
    publish(client, "shown", second.id)
    return WholeCourse(url, dataset, second.id, first.id, photo)


def publish(client: Client, model: str, run: str) -> None:
    """Returns when the version is what answers where no model is named, and knows its training photos."""
    version = client.models.publish(model, run).version
    client.models.set_alias(model, "production", version)
    while not client.models.index(model, version).state.is_terminal:
        time.sleep(0.3)
