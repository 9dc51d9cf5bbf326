"""What Prometheus is told of the runs at work, and of no others."""

from __future__ import annotations

from contextlib import closing

import httpx
from prometheus_client.parser import text_string_to_metric_families

from service.cluster.jobs import RayCluster
from service.domain.state import JobState
from service.operations.reconcile import Reconciler

LINE = (
    '{"at": "9999-01-01T00:00:00.000+00:00", "step": %d, "epoch": 0, "total_steps": 90, "loss": 1.5,'
    ' "images_per_second": 640.25}\n'
)


def gauges(server) -> dict[str, dict[str | None, float]]:
    """Gauge by gauge, the value for each run."""
    text = httpx.get(f"{server.url}/metrics").text
    return {
        family.name: {sample.labels.get("run"): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
        if family.name.startswith(("tandem_run_", "tandem_queue_"))
    }


def test_a_run_at_work_is_told_of_by_its_id_until_it_is_over(server, head) -> None:
    told, silent, over = (server.begin_run() for _ in range(3))
    head.statuses |= {f"{run.id}-a1": "RUNNING" for run in (told, silent, over)}
    head.cpus = 0
    for _ in range(2):
        server.queue_run()
    for run, step in ((told, 7), (over, 90)):
        run.work.progress.write_text(LINE % step)
    with closing(RayCluster(head.url)) as cluster:
        reconciler = Reconciler(server.plane.jobs, cluster, server.plane.models)
        reconciler.reconcile()
        assert gauges(server)["tandem_run_step"] == {told.id: 7, over.id: 90}
        head.statuses[f"{over.id}-a1"] = "SUCCEEDED"
        reconciler.reconcile()
    assert server.plane.jobs.get(over.id).state is JobState.SUCCEEDED
    assert gauges(server) == {
        "tandem_run_step": {told.id: 7},
        "tandem_run_total_steps": {told.id: 90},
        "tandem_run_images_per_second": {told.id: 640.25},
        "tandem_run_loss": {told.id: 1.5},
        "tandem_queue_length": {None: 2},
    }


def test_without_runs_the_queue_is_empty_and_no_run_is_told_of(server) -> None:
    assert gauges(server) == {
        "tandem_run_step": {},
        "tandem_run_total_steps": {},
        "tandem_run_images_per_second": {},
        "tandem_run_loss": {},
        "tandem_queue_length": {None: 0},
    }
