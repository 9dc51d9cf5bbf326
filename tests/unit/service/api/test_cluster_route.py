"""The route of the cluster tells all that can be seen, and of who is away that it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from ray_dashboard import FIRST, HEAD, SECOND, Dashboard, actor, dashboard_of_three, job, task
from serving_replica import Replica, told_by

from service.client import Client
from service.domain.cluster import (
    Cluster,
    ClusterGrowth,
    ClusterNode,
    PreparationOnNode,
    RunOnNode,
    ServedVersion,
    Serving,
    ServingReplica,
)
from service.domain.state import JobState
from service.operations import cluster
from service.store.jobs import new_job_id

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    with dashboard_of_three() as dashboard:
        yield dashboard


@pytest.fixture
def replica() -> Iterator[Replica]:
    """Two answers by `flowers` 1 and one by `flowers` 7; two photos wait."""
    with closing(Replica(told_by(classify_1=[0.001, 0.001], embed_7=[60.0]))) as replica:
        yield replica


@pytest.fixture
def both(live_server, tmp_path: Path, database_url: str, dashboard: Dashboard, replica: Replica):
    """A server in front of both."""
    return live_server(tmp_path / "home", database_url, dashboard.url, replica.url)


def look(server) -> Cluster:
    with Client(server.url) as client:
        return client.cluster()


def test_nodes_tell_of_what_is_used_and_of_the_runs_whose_workers_they_hold(
    both, dashboard: Dashboard
) -> None:
    run, over = both.begin_run(), both.begin_run()
    dashboard.rows["jobs"] = [
        job("02000000", f"{run.id}-a1"),
        job("03000000", "made-by-somebody-else"),
        job("04000000", f"{over.id}-a0"),
    ]
    dashboard.rows["actors"] = [
        *[actor("02000000", FIRST)] * 2,
        actor("02000000", SECOND),
        actor("03000000", SECOND),
        actor("04000000", SECOND),
    ]
    found = look(both)
    assert found.nodes == [
        ClusterNode(
            id=HEAD,
            address="10.0.0.9",
            is_head=True,
            cpus=0,
            cpus_used=0,
            gpus=0,
            gpus_used=0,
            gpu_names=[],
            memory_bytes=4_000,
            memory_used_bytes=1_000,
            runs=[],
            preparations=[],
        ),
        ClusterNode(
            id=FIRST,
            address="10.0.0.2",
            is_head=False,
            cpus=8,
            cpus_used=6,
            gpus=2,
            gpus_used=1.5,
            gpu_names=["H100", "H100"],
            memory_bytes=9_000,
            memory_used_bytes=7_000,
            runs=[RunOnNode(run_id=run.id, name=None, workers=2)],
            preparations=[],
        ),
        ClusterNode(
            id=SECOND,
            address="10.0.0.3",
            is_head=False,
            cpus=8,
            cpus_used=None,
            gpus=2,
            gpus_used=None,
            gpu_names=None,
            memory_bytes=None,
            memory_used_bytes=None,
            runs=[RunOnNode(run_id=run.id, name=None, workers=1)],
            preparations=[],
        ),
    ]
    assert (found.nodes_reason, found.growth) == (None, None)


def test_nodes_tell_of_the_datasets_that_are_prepared_on_them(
    both, dashboard: Dashboard, tmp_path: Path
) -> None:
    jobs, job_id = both.plane.jobs, new_job_id()
    jobs.create("dataset", name="flowers", spec={}, folder=tmp_path / "job", job_id=job_id)
    with jobs.editing(job_id) as edit:
        edit.begin_attempt()
        edit.move_to(JobState.RUNNING)
    dashboard.rows["jobs"] = [job("02000000", f"{job_id}-a1")]
    dashboard.rows["tasks"] = [task("02000000", SECOND)] * 2
    found = look(both).nodes
    assert found is not None
    prepared = [PreparationOnNode(dataset="flowers", tasks=2)]
    assert [node.preparations for node in found] == [[], [], prepared]
    assert [node.runs for node in found] == [[], [], []]


def test_versions_tell_how_long_their_answers_took_and_what_names_them(both, replica: Replica) -> None:
    for version in ("1", "2"):
        (both.settings.models / "flowers" / version).mkdir(parents=True)
    for alias, number in (("production", 1), ("best", 1), ("next", 2)):
        both.plane.model_store.set_alias("flowers", alias, number)
    assert look(both).serving == Serving(
        replicas=[ServingReplica(address=replica.url, status="ok")],
        versions=[
            ServedVersion(
                model="flowers",
                version=1,
                aliases=["best", "production"],
                answers=2,
                mean_seconds=0.001,
                p50_seconds=0.001,
                p95_seconds=0.0019,
                p99_seconds=0.00198,
            ),
            ServedVersion(
                model="flowers",
                version=7,
                aliases=[],
                answers=1,
                mean_seconds=60,
                p50_seconds=30,
                p95_seconds=30,
                p99_seconds=30,
            ),
        ],
        photos_waiting=2,
    )


def test_whoever_is_away_hides_nothing_of_the_other(
    live_server, tmp_path: Path, database_url: str, dashboard: Dashboard, replica: Replica
) -> None:
    without_ray = look(live_server(tmp_path / "one", database_url, None, replica.url))
    assert (without_ray.nodes, without_ray.serving_reason) == (None, None)
    assert without_ray.serving is not None
    assert without_ray.nodes_reason is not None
    assert "is it running" in without_ray.nodes_reason

    without_serving = look(live_server(tmp_path / "two", database_url, dashboard.url))
    assert (without_serving.serving, without_serving.nodes_reason) == (None, None)
    assert without_serving.nodes is not None
    assert without_serving.serving_reason is not None
    assert "tandem serve" in without_serving.serving_reason

    alone = look(live_server(tmp_path / "three", database_url))
    assert (alone.nodes, alone.serving) == (None, None)


def test_growth_is_what_may_still_come_and_is_known_without_ray_but_for_that(
    live_server, tmp_path: Path, database_url: str, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_RAY_GROWTH", "workers=5,cpus=8,gpus=2")
    growing = look(live_server(tmp_path / "one", database_url, dashboard.url))
    assert growing.growth == ClusterGrowth(workers=5, cpus=8, gpus=2, to_come=3)
    unseen = look(live_server(tmp_path / "two", database_url))
    assert unseen.growth == ClusterGrowth(workers=5, cpus=8, gpus=2, to_come=None)
    monkeypatch.setenv("TANDEM_RAY_GROWTH", "workers=1,cpus=8")
    grown = look(live_server(tmp_path / "three", database_url, dashboard.url))
    assert grown.growth == ClusterGrowth(workers=1, cpus=8, gpus=0, to_come=0)


def test_many_who_look_at_once_cost_no_more_than_one(
    live_server,
    tmp_path: Path,
    database_url: str,
    dashboard: Dashboard,
    replica: Replica,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "REMEMBERED_SECONDS", 3600.0)
    server = live_server(tmp_path / "home", database_url, dashboard.url, replica.url)
    for _ in range(20):
        assert look(server).nodes_reason is None
    assert dashboard.asked.count("/api/v0/nodes") == 1
    assert replica.asked == 1


def test_a_stranger_is_told_nothing(both) -> None:
    both.plane.tokens.create("one", ["predict"])
    assert httpx.get(f"{both.url}/api/v1/cluster").status_code == 401
