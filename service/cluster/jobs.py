"""Ray's Jobs API over HTTP: submit, look, stop; and what the cluster has to give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import httpx
from pydantic import SecretStr

from service.cluster.head import RayHead
from service.domain.resolved_run import Allocation
from service.errors import ClusterUnreachableError
from service.growth import Growth


class RayStatus(StrEnum):
    """The statuses of a Ray job."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_over(self) -> bool:
        return self in {RayStatus.STOPPED, RayStatus.SUCCEEDED, RayStatus.FAILED}


@dataclass(frozen=True)
class RayJob:
    status: RayStatus
    message: str | None


@dataclass(frozen=True)
class Node:
    """What one node has: a living one, or one that the autoscaler adds when something waits for it."""

    cpus: float
    gpus: float
    is_to_come: bool = False

    def workers_that_fit(self, *, cpus: float, gpus: float) -> int:
        return int(min(self.cpus // cpus, self.gpus // gpus if gpus else self.cpus // cpus))


@dataclass(frozen=True)
class ClusterResources:
    """What the nodes have, free or in use."""

    nodes: tuple[Node, ...]

    def workers_that_fit(self, *, cpus: float, gpus: float) -> int:
        """How many workers of a size fit, none of them spread over two nodes."""
        return sum(node.workers_that_fit(cpus=cpus, gpus=gpus) for node in self.nodes)

    def hold(self, allocation: Allocation) -> bool:
        """Whether as many workers of an allocation fit at once as it takes."""
        room = self.workers_that_fit(cpus=allocation.cpus_per_worker, gpus=allocation.gpus_per_worker)
        return room >= allocation.min_workers

    def without(self, allocation: Allocation) -> ClusterResources:
        """What is left when as many workers of an allocation as fit are put on the first nodes."""
        cpus, gpus = allocation.cpus_per_worker, allocation.gpus_per_worker
        missing, left = allocation.num_workers, []
        for node in self.nodes:
            here = min(missing, node.workers_that_fit(cpus=cpus, gpus=gpus))
            missing -= here
            left.append(replace(node, cpus=node.cpus - here * cpus, gpus=node.gpus - here * gpus))
        return ClusterResources(tuple(left))

    def __str__(self) -> str:
        there = [node for node in self.nodes if not node.is_to_come]
        to_come = [node for node in self.nodes if node.is_to_come]
        more = f", and up to {len(to_come)} more: {_sizes(to_come)}" if to_come else ""
        return f"{len(there)} node(s): {_sizes(there)}{more}"


def _sizes(nodes: Iterable[Node]) -> str:
    return ", ".join(f"{node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in nodes)


class RayCluster:
    """A Ray cluster as its dashboard's HTTP API shows it. Thread-safe.

    Every method raises `ClusterUnreachableError` when the head does not answer as Ray does.
    """

    def __init__(self, url: str, token: SecretStr | None = None, growth: Growth | None = None) -> None:
        self._head = RayHead(url, token)
        self._growth = growth

    def submit(self, submission_id: str, entrypoint: str, env: dict[str, str]) -> None:
        """Starts a job. Submitting an id that Ray knows already changes nothing."""
        # Ray answers a duplicate id with a plain 500, so the id is looked up first.
        if self.find(submission_id) is not None:
            return
        body = {
            "entrypoint": entrypoint,
            "submission_id": submission_id,
            "runtime_env": {"env_vars": env},
            "entrypoint_num_cpus": 0,
        }
        self._head.call("POST", "/api/jobs/", json=body)

    def find(self, submission_id: str) -> RayJob | None:
        """A job's status; None when Ray does not know it."""
        response = self._head.send("GET", f"/api/jobs/{submission_id}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        job = self._head.payload(response)
        return RayJob(status=RayStatus(job["status"]), message=job.get("message"))

    def logs(self, submission_id: str) -> str:
        """What a job has printed so far."""
        printed: str = self._head.call("GET", f"/api/jobs/{submission_id}/logs")["logs"]
        return printed

    def stop(self, submission_id: str) -> None:
        self._head.call("POST", f"/api/jobs/{submission_id}/stop")

    def resources(self) -> ClusterResources:
        """What there is to train on, with the worker nodes that the autoscaler may still add.

        Raises `ClusterUnreachableError` also while no node has joined.
        """
        payload = self._head.call("GET", "/api/v0/nodes", params={"detail": "1", "limit": "10000"})
        nodes = [node for node in payload["data"]["result"]["result"] if node["state"] == "ALIVE"]
        if not nodes:
            # A head that has just begun answers before its own node has joined.
            raise ClusterUnreachableError(f"Ray's head at {self._head.url} has no living node yet: try again")
        totals = [node.get("resources_total") or {} for node in nodes]
        there = [Node(cpus=total.get("CPU", 0.0), gpus=total.get("GPU", 0.0)) for total in totals]
        workers = sum(not node["is_head_node"] for node in nodes)
        return ClusterResources((*there, *self._to_come(workers)))

    def close(self) -> None:
        self._head.close()

    def _to_come(self, workers: int) -> list[Node]:
        """The autoscaler adds a node only when a job waits for it: jobs are sent that need some of these."""
        if self._growth is None:
            return []
        node = Node(cpus=self._growth.cpus, gpus=self._growth.gpus, is_to_come=True)
        return [node] * (self._growth.workers - workers)
