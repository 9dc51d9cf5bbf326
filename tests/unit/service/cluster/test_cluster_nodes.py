"""What Ray's head tells of its nodes, actors and jobs becomes nodes that hold workers of runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from ray_dashboard import FIRST, HEAD, SECOND, Dashboard, actor, dashboard_of_three, job, node, task

from service.cluster.nodes import LivingNode, Machine, Memory, RayNodes
from service.errors import ClusterUnreachableError


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    with dashboard_of_three() as dashboard:
        yield dashboard


@pytest.fixture
def nodes(dashboard: Dashboard) -> Iterator[RayNodes]:
    with closing(RayNodes(dashboard.url)) as nodes:
        yield nodes


def test_living_nodes_tell_what_they_have_and_what_of_it_is_used(nodes: RayNodes) -> None:
    assert nodes.look(with_tasks=False) == [
        LivingNode(HEAD, "10.0.0.9", True, 0.0, 0.0, Machine(Memory(4_000, 1_000), []), {}, {}),
        LivingNode(
            FIRST,
            "10.0.0.2",
            False,
            8.0,
            2.0,
            Machine(Memory(9_000, 7_000), ["H100", "H100"], {"CPU": 6.0, "GPU": 1.5}),
            {},
            {},
        ),
        LivingNode(SECOND, "10.0.0.3", False, 8.0, 2.0, Machine(), {}, {}),
    ]


def test_workers_are_counted_on_their_nodes_by_the_submission_that_they_work_for(
    dashboard: Dashboard, nodes: RayNodes
) -> None:
    dashboard.rows["jobs"] = [
        job("02000000", "one-a1"),
        job("03000000", "two-a2"),
        job("04000000", "over-a1", status="FAILED"),
        job(None, "about-to-begin-a1"),
        job("05000000", None),
    ]
    dashboard.rows["actors"] = [
        actor("02000000", FIRST),
        actor("02000000", FIRST),
        actor("02000000", SECOND),
        actor("03000000", SECOND),
        actor("03000000", HEAD, class_name="TrainController"),
        {**actor("03000000", FIRST), "state": "DEAD"},
        actor("04000000", FIRST),
        actor("05000000", FIRST),
    ]
    head, first, second = nodes.look(with_tasks=False)
    assert (head.workers, first.workers, second.workers) == ({}, {"one-a1": 2}, {"one-a1": 1, "two-a2": 1})


def test_tasks_are_counted_where_they_are_asked_for(dashboard: Dashboard, nodes: RayNodes) -> None:
    dashboard.rows["jobs"] = [job("02000000", "preparation-a1")]
    dashboard.rows["tasks"] = [
        *[task("02000000", SECOND)] * 3,
        task("02000000", FIRST),
        task("02000000", FIRST, kind="ACTOR_TASK"),
        task("02000000", FIRST, state="FINISHED"),
        task("02000000", None),
    ]
    assert [found.tasks for found in nodes.look(with_tasks=False)] == [{}, {}, {}]
    assert "/api/v0/tasks" not in dashboard.asked
    found = nodes.look(with_tasks=True)
    assert [node.tasks for node in found] == [{}, {"preparation-a1": 1}, {"preparation-a1": 3}]
    assert [node.workers for node in found] == [{}, {}, {}]


def test_however_many_nodes_there_are_the_head_is_asked_four_times_and_seldom_for_machines(
    dashboard: Dashboard, nodes: RayNodes
) -> None:
    dashboard.rows["nodes"] = [node(f"{number:056x}", f"10.1.0.{number}", CPU=8.0) for number in range(512)]
    dashboard.rows["actors"] = [actor("02000000", f"{number:056x}") for number in range(512)]
    dashboard.rows["jobs"] = [job("02000000", "large-a1")]
    found = nodes.look(with_tasks=False)
    assert len(found) == sum(node.workers["large-a1"] for node in found) == 512
    assert sorted(dashboard.asked) == ["/api/v0/actors", "/api/v0/jobs", "/api/v0/nodes", "/nodes"]
    nodes.look(with_tasks=False)
    assert dashboard.asked.count("/nodes") == 1


def test_a_head_that_has_just_begun_tells_of_its_nodes_and_not_yet_of_their_machines(
    dashboard: Dashboard, nodes: RayNodes
) -> None:
    dashboard.stumbles = True
    assert [found.machine for found in nodes.look(with_tasks=False)] == [Machine()] * 3


@pytest.mark.parametrize("wrong", [{"node_id": 7}, {"resources_total": "much"}])
def test_what_does_not_speak_as_ray_does_is_told_so(
    dashboard: Dashboard, nodes: RayNodes, wrong: dict[str, Any]
) -> None:
    dashboard.rows["nodes"][0].update(wrong)
    with pytest.raises(ClusterUnreachableError, match="does not speak as Ray's head"):
        nodes.look(with_tasks=False)


def test_a_head_that_is_gone_is_told_so() -> None:
    with (
        closing(RayNodes("http://127.0.0.1:1")) as nodes,
        pytest.raises(ClusterUnreachableError, match="is it running"),
    ):
        nodes.look(with_tasks=False)
