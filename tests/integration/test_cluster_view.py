"""What the API shows of a real cluster: a run at work on its node, and the version that has answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.client import Client
from service.domain.answers import Run
from service.domain.cluster import Cluster, RunOnNode

pytestmark = pytest.mark.cluster

MODEL = "paints-of-the-cluster"


@pytest.fixture
def run(client: Client, dataset: str) -> Iterator[Run]:
    """A run with a checkpoint of every epoch, that is still at work."""
    run = client.runs.create(
        {
            "name": "at work",
            "dataset": dataset,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "epochs": 5000, "global_batch_size": 32},
            "checkpoint": {"every_steps": 5},
        }
    )
    while not client.runs.get(run.id).checkpoints:
        time.sleep(0.2)
    yield run
    client.runs.stop(run.id, mode="now")
    while not client.runs.get(run.id).state.is_terminal:
        time.sleep(0.2)


def shown(client: Client, is_there: Callable[[Cluster], bool]) -> Cluster:
    """What the cluster looks like once something is there: nodes tell of themselves every few seconds."""
    while not is_there(found := client.cluster()):
        time.sleep(0.5)
    return found


def test_a_run_at_work_is_on_its_node_and_the_photos_that_a_version_has_answered_are_counted(
    client: Client, run: Run, photos: Path
) -> None:
    published = client.models.publish(MODEL, run.id)
    for photo in sorted((photos / "val" / "blue").iterdir())[:3]:
        client.classify([photo], model=MODEL)

    def is_used(cluster: Cluster) -> bool:
        told = cluster.serving is not None and any(each.model == MODEL for each in cluster.serving.versions)
        return told and any(node.cpus_used and node.memory_used_bytes for node in cluster.nodes or [])

    found = shown(client, is_used)
    assert (found.nodes_reason, found.serving_reason, found.growth) == (None, None, None)
    assert found.nodes is not None
    (node,) = found.nodes
    assert node.is_head
    assert node.runs == [RunOnNode(run_id=run.id, name="at work", workers=1)]
    assert node.cpus_used is not None
    assert 1 <= node.cpus_used <= node.cpus
    assert (node.gpus, node.gpus_used, node.gpu_names) == (0, 0, [])
    assert node.memory_bytes is not None
    assert node.memory_used_bytes is not None
    assert 0 < node.memory_used_bytes < node.memory_bytes

    assert found.serving is not None
    assert [replica.status for replica in found.serving.replicas] == ["ok"]
    assert found.serving.photos_waiting == 0
    (version,) = (each for each in found.serving.versions if each.model == MODEL)
    assert (version.version, version.aliases) == (published.version, ["production"])
    assert version.answers == 3
    assert version.mean_seconds is not None
    assert version.p50_seconds is not None
    assert version.p99_seconds is not None
    assert 0 < version.p50_seconds <= version.p99_seconds

    client.runs.stop(run.id, mode="now")
    shown(client, lambda cluster: not any(node.runs for node in cluster.nodes or []))
