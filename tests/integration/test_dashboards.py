"""Every panel's query against a real Prometheus that has watched a real stack at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from dashboards import Query, all_queries, metrics_in
from many_photos import NUM_PHOTOS, table_of_many_photos
from prometheus_server import PrometheusServer, prometheus

from service.client import ApiError, Client
from service.domain.answers import Run
from service.stack.free_port import free_port
from service.stack.up import Stack

pytestmark = pytest.mark.cluster

# As in Grafana, four times as long as the time between two scrapes, or longer.
RATES_OVER = "10s"
# More than are done.
EPOCHS = 5000
ONLY_WITH_GPUS = {"ray_node_gpus_utilization", "ray_node_gram_used", "ray_node_gram_available"}


@pytest.fixture(scope="module")
def watcher(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """Scrapes the stack, and one serving replica more that is not there: an alert is pending over it."""
    targets = {
        "api": [_address(stack.url)],
        "serving": [_address(stack.settings.serving_url), f"127.0.0.1:{free_port()}"],
        "ray": _told_by_ray(stack),
    }
    with prometheus(tmp_path_factory.mktemp("prometheus"), targets) as server:
        yield server


@pytest.fixture(scope="module")
def watched(
    watcher: PrometheusServer,
    stack: Stack,
    client: Client,
    photos: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> PrometheusServer:
    """The watcher once it has seen a preparation, a training run, answers about photos, and a fault."""
    _prepare_until_its_pace_is_seen(watcher, client, tmp_path_factory.mktemp("many"))
    client.datasets.create(
        {"name": "watched", "source": {"path": str(photos)}, "image_size": 72, "shard_size": 40}
    )
    while not (dataset := client.datasets.get("watched")).state.is_terminal:
        time.sleep(0.2)
    assert dataset.manifest is not None, dataset.reason
    run = _train_until_its_validation_is_seen(watcher, client)
    client.models.publish("watched", run.id)
    for _ in range(3):
        client.classify([photos / "val" / "blue" / "000.jpg"] * 2, model="watched")
        time.sleep(0.6)
    _ask_while_runs_are_away(watcher, stack, client, run.id)
    time.sleep(1.5)
    return watcher


@pytest.mark.parametrize("query", all_queries(), ids=lambda query: query.asker)
def test_every_panel_shows_data(watched: PrometheusServer, query: Query) -> None:
    if metrics_in(query.expression) & ONLY_WITH_GPUS and not torch.cuda.is_available():
        pytest.skip("Ray tells of GPUs only where there are some")
    assert watched.ask(query.with_all(RATES_OVER)), query.expression


def test_what_prometheus_saw_of_the_run_is_what_the_run_did(watched: PrometheusServer) -> None:
    def values(expression: str) -> list[float]:
        return [float(value) for series in watched.ask(expression) for _, value in series["values"]]

    assert 0 < max(values("tandem_run_step")) < max(values("tandem_run_total_steps")) == EPOCHS * (256 // 32)
    assert all(0 <= share <= 1 for share in values("tandem_run_wait_share"))
    assert set(values("tandem_run_corrupt_samples")) == {0}
    assert max(values("tandem_preparation_photos_done")) < NUM_PHOTOS
    assert set(values("tandem_database_up")) == {1}
    assert set(values("min(tandem_storage_up)")) == {0, 1}


def _prepare_until_its_pace_is_seen(watcher: PrometheusServer, client: Client, folder: Path) -> None:
    """A preparation that is stopped, not awaited: one of few photos may be over between two scrapes."""
    table = table_of_many_photos(folder)
    client.datasets.create({"name": "long", "source": {"path": str(table)}, "shard_size": 100})
    while not watcher.ask('tandem_preparation_photos_per_second{dataset="long"}'):
        assert not (long := client.datasets.get("long")).state.is_terminal, long.reason
        time.sleep(0.2)
    client.datasets.stop("long")
    while not client.datasets.get("long").state.is_terminal:
        time.sleep(0.2)
    client.datasets.delete("long")


def _train_until_its_validation_is_seen(watcher: PrometheusServer, client: Client) -> Run:
    """A run that is stopped, not awaited: what a run at work tells goes with it."""
    run = client.runs.create(
        {
            "dataset": "watched",
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "epochs": EPOCHS, "global_batch_size": 32},
        }
    )
    while not (watcher.ask("tandem_run_val_top1_error") and watcher.ask("tandem_run_eta_seconds")):
        assert not (found := client.runs.get(run.id)).state.is_terminal, found.reason
        time.sleep(0.2)
    client.runs.stop(run.id)
    while not client.runs.get(run.id).state.is_terminal:
        time.sleep(0.2)
    return run


def _ask_while_runs_are_away(watcher: PrometheusServer, stack: Stack, client: Client, run_id: str) -> None:
    runs = stack.settings.runs
    elsewhere = runs.rename(runs.with_name("elsewhere"))
    try:
        while not watcher.ask("min(tandem_storage_up) == 0"):
            with pytest.raises(ApiError, match="mount it again"):
                client.runs.delete(run_id)
            time.sleep(0.2)
    finally:
        elsewhere.rename(runs)


def _address(url: str) -> str:
    return httpx.URL(url).netloc.decode()


def _told_by_ray(stack: Stack) -> Path:
    """Where the head writes down, for Prometheus, where it tells of its node."""
    (folder,) = [
        Path(argument.partition("=")[2])
        for argument in stack.child("ray").command.arguments
        if argument.startswith("--temp-dir=")
    ]
    return folder / "prom_metrics_service_discovery.json"
