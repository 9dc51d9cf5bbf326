"""A cluster that grows on demand: what it may grow by counts, so that a job is sent which demands it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pydantic import ValidationError

from service.cluster.jobs import ClusterResources, Node, RayCluster
from service.domain.resolved_run import Allocation
from service.domain.spec import ResourcesSpec
from service.domain.state import JobState
from service.errors import InfeasibleError
from service.growth import Growth
from service.operations.allocation import allocate
from service.operations.reconcile import Reconciler
from service.settings import Settings

GROWTH = Growth(workers=3, cpus=8, gpus=2)
WORKER = {"state": "ALIVE", "is_head_node": False, "resources_total": {"CPU": 8.0, "GPU": 2.0}}
TO_COME = Node(cpus=8, gpus=2, is_to_come=True)


@pytest.fixture
def cluster(head) -> Iterator[Callable[[Growth | None], RayCluster]]:
    """Connects to a head that trains nothing."""
    head.cpus = 0.0
    clusters = []

    def connect(growth: Growth | None) -> RayCluster:
        clusters.append(RayCluster(head.url, growth=growth))
        return clusters[-1]

    yield connect
    for connected in clusters:
        connected.close()


def test_worker_nodes_are_counted_with_those_to_come_up_to_the_most_there_may_be(head, cluster) -> None:
    growing = cluster(GROWTH)
    assert growing.resources() == ClusterResources((Node(cpus=0, gpus=0), *[TO_COME] * 3))
    head.workers = [WORKER, {**WORKER, "state": "DEAD"}]
    living = Node(cpus=8, gpus=2)
    assert growing.resources() == ClusterResources((Node(cpus=0, gpus=0), living, *[TO_COME] * 2))
    # Someone may have added more by hand.
    head.workers = [WORKER] * 4
    assert growing.resources() == ClusterResources((Node(cpus=0, gpus=0), *[living] * 4))
    assert cluster(None).resources() == growing.resources()


def test_a_run_for_nodes_to_come_is_accepted_and_one_for_more_is_told_how_far_it_grows(cluster) -> None:
    wanted = ResourcesSpec(num_workers=3)
    assert allocate(wanted, cluster(GROWTH).resources()) == Allocation(
        num_workers=3, min_workers=3, cpus_per_worker=1, gpus_per_worker=2
    )
    with pytest.raises(
        InfeasibleError, match=r"1 node\(s\): 0 CPUs and 0 GPUs, and up to 3 more: 8 .* room for 3 such"
    ):
        allocate(ResourcesSpec(num_workers=4, accelerator="gpu"), cluster(GROWTH).resources())
    with pytest.raises(InfeasibleError, match=r"1 node\(s\): 0 CPUs and 0 GPUs, room for 0 such"):
        allocate(wanted, cluster(None).resources())


def test_a_run_that_waits_for_a_node_to_come_is_sent_to_ray_which_then_sees_the_demand(
    server, head, cluster
) -> None:
    job = server.queue_run()
    still = Reconciler(server.plane.jobs, cluster(None), server.plane.models)
    still.reconcile()
    assert server.plane.jobs.get(job.id).state is JobState.QUEUED
    growing = Reconciler(server.plane.jobs, cluster(GROWTH), server.plane.models)
    growing.reconcile()
    assert server.plane.jobs.get(job.id).state is JobState.STARTING
    assert head.statuses == {f"{job.id}-a1": "PENDING"}


def test_what_runs_at_work_hold_of_nodes_to_come_is_not_given_again(server, head, cluster) -> None:
    one_cpu = Growth(workers=1, cpus=1)
    first, second = server.queue_run(), server.queue_run()
    Reconciler(server.plane.jobs, cluster(one_cpu), server.plane.models).reconcile()
    assert list(head.statuses) == [f"{first.id}-a1"]
    assert server.plane.jobs.get(second.id).reason == (
        "waits for 1 worker(s) of 1 CPU(s) and 0 GPU(s) each: 1 run(s) at work leave"
        " 1 node(s): 0 CPUs and 0 GPUs, and up to 1 more: 0 CPUs and 0 GPUs"
    )


def test_the_setting_is_read_as_it_is_written_in_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().ray_growth is None
    monkeypatch.setenv("TANDEM_RAY_GROWTH", "workers=4, cpus=8")
    assert Settings().ray_growth == Growth(workers=4, cpus=8, gpus=0)


@pytest.mark.parametrize("wrong", ["", "4", "workers=4", "workers=0,cpus=8", "workers=4,cpus=8,tpus=1"])
def test_what_is_no_growth_is_refused_with_an_example(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_RAY_GROWTH", wrong)
    with pytest.raises(ValidationError, match="as in workers=4,cpus=8,gpus=2"):
        Settings()
