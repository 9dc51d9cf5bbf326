"""What Prometheus is told of runs and preparations at work, and of no others."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.cluster.jobs import RayCluster
from service.domain.state import JobState
from service.operations.reconcile import Reconciler
from service.store.jobs import new_job_id

STEP = (
    '{"at": "9999-01-01T00:00:00.000+00:00", "step": %d, "epoch": 0, "total_steps": 90, "loss": 1.5,'
    ' "learning_rate": 0.01, "images_per_second": 640.25, "eta_seconds": 12.5, "num_workers": 2,'
    ' "wait_share": 0.25, "corrupt_samples": 3}\n'
)
EPOCH = (
    '{"at": "9999-01-01T00:00:00.001+00:00", "kind": "epoch", "epoch": 1, "val_top1_error": 0.5,'
    ' "val_top5_error": 0.125}\n'
)
PHOTOS = (
    '{"at": "9999-01-01T00:00:00.000+00:00", "photos_done": 30, "photos_total": 90, "quarantined": 2,'
    ' "photos_per_second": 51.5, "eta_seconds": null}\n'
)
Gauges = dict[str, dict[str | None, float]]


def gauges(server, *prefixes: str) -> Gauges:
    """Gauge by gauge, the value for each run or dataset."""
    text = httpx.get(f"{server.url}/metrics").text
    return {
        family.name: {next(iter(sample.labels.values()), None): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
        if family.name.startswith(prefixes)
    }


def test_a_run_at_work_is_told_of_by_its_id_until_it_is_over(server, head) -> None:
    told, silent, over = (server.begin_run() for _ in range(3))
    head.statuses |= {f"{run.id}-a1": "RUNNING" for run in (told, silent, over)}
    head.cpus = 0
    for _ in range(2):
        server.queue_run()
    for run, step in ((told, 7), (over, 90)):
        run.work.progress.write_text(STEP % step)
        run.work.events.write_text(EPOCH)
    with closing(RayCluster(head.url)) as cluster:
        reconciler = Reconciler(server.plane.jobs, cluster, server.plane.models)
        reconciler.reconcile()
        assert gauges(server, "tandem_run_")["tandem_run_step"] == {told.id: 7, over.id: 90}
        head.statuses[f"{over.id}-a1"] = "SUCCEEDED"
        reconciler.reconcile()
    assert server.plane.jobs.get(over.id).state is JobState.SUCCEEDED
    assert gauges(server, "tandem_run_", "tandem_queue_") == {
        "tandem_run_attempts": {told.id: 1, silent.id: 1},
        "tandem_run_step": {told.id: 7},
        "tandem_run_total_steps": {told.id: 90},
        "tandem_run_eta_seconds": {told.id: 12.5},
        "tandem_run_images_per_second": {told.id: 640.25},
        "tandem_run_num_workers": {told.id: 2},
        "tandem_run_loss": {told.id: 1.5},
        "tandem_run_learning_rate": {told.id: 0.01},
        "tandem_run_val_top1_error": {told.id: 0.5},
        "tandem_run_val_top5_error": {told.id: 0.125},
        "tandem_run_wait_share": {told.id: 0.25},
        "tandem_run_corrupt_samples": {told.id: 3},
        "tandem_queue_length": {None: 2},
    }


def test_a_preparation_at_work_is_told_of_by_its_datasets_name(server, head) -> None:
    jobs = server.plane.jobs
    job_id = new_job_id()
    folder = server.settings.logs / "prepare-flowers"
    job = jobs.create("dataset", name="flowers", spec={}, folder=folder, job_id=job_id)
    job.work.create({})
    with jobs.editing(job.id) as edit:
        edit.begin_attempt()
        edit.move_to(JobState.RUNNING)
    job.work.progress.write_text(PHOTOS)
    head.statuses[f"{job.id}-a1"] = "RUNNING"
    with closing(RayCluster(head.url)) as cluster:
        reconciler = Reconciler(jobs, cluster, server.plane.models)
        reconciler.reconcile()
        assert gauges(server, "tandem_preparation_") == {
            "tandem_preparation_photos_done": {"flowers": 30},
            "tandem_preparation_photos_total": {"flowers": 90},
            "tandem_preparation_photos_per_second": {"flowers": 51.5},
            "tandem_preparation_quarantined": {"flowers": 2},
        }
        head.statuses[f"{job.id}-a1"] = "SUCCEEDED"
        reconciler.reconcile()
    assert not any(gauges(server, "tandem_preparation_").values())


def test_without_jobs_the_queue_is_empty_and_none_is_told_of(server) -> None:
    found = gauges(server, "tandem_run_", "tandem_preparation_", "tandem_queue_")
    assert found.pop("tandem_queue_length") == {None: 0}
    assert not any(found.values())


def test_while_the_database_is_away_prometheus_alone_is_told_so(
    live_server, own_postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_METRICS_TOKEN", "of-prometheus")
    server = live_server(tmp_path / "home", own_postgres.new_database())
    with httpx.Client(base_url=server.url, timeout=60) as http:

        def scrape(token: str) -> httpx.Response:
            return http.get("/metrics", headers={"Authorization": f"Bearer {token}"})

        assert "tandem_database_up 1.0\n" in scrape("of-prometheus").text
        assert scrape("a-guess").status_code == 401
        own_postgres.stop()
        text = scrape("of-prometheus").text
        assert "tandem_database_up 0.0\n" in text
        assert "tandem_storage_up 1.0\n" in text
        assert "tandem_queue_length" not in text
        assert scrape("a-guess").status_code == 503
        # That tokens are asked for may be remembered from a moment ago.
        assert http.get("/metrics").status_code in {401, 503}
        own_postgres.start()
        assert "tandem_database_up 1.0\n" in scrape("of-prometheus").text
