"""Looking at the cluster: its nodes and the runs on them, and the processes that answer about photos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.cluster.lately import Lately
from service.cluster.nodes import LivingNode, RayNodes
from service.cluster.serving import ServingClient
from service.cluster.serving_figures import ServingFigures, Version
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
from service.domain.job import Job
from service.domain.latency import Latency
from service.errors import ClusterUnreachableError, NotFoundError, ServingUnreachableError
from service.growth import Growth
from service.store.jobs import JobStore
from service.store.models import ModelStore

REMEMBERED_SECONDS: Final = 1.0


class ClusterOperations:
    """What was found within the last second is found again, whoever looks and how often. Thread-safe."""

    def __init__(
        self,
        jobs: JobStore,
        models: ModelStore,
        nodes: RayNodes,
        serving: ServingClient,
        growth: Growth | None,
    ) -> None:
        self._jobs = jobs
        self._models = models
        self._ray = nodes
        self._client = serving
        self._growth = growth
        moment = "is being asked for the first time: try again in a moment"
        self._nodes = Lately(
            self._ask_ray, REMEMBERED_SECONDS, ClusterUnreachableError(f"Ray's head {moment}")
        )
        self._serving = Lately(
            self._ask_serving, REMEMBERED_SECONDS, ServingUnreachableError(f"the serving process {moment}")
        )

    def look(self) -> Cluster:
        """What can be seen: who does not answer is told of, and hides nothing else.

        Raises `DatabaseUnavailableError`.
        """
        nodes, serving = None, None
        nodes_reason, serving_reason = None, None
        try:
            nodes = self._nodes.get()
        except ClusterUnreachableError as error:
            nodes_reason = str(error)
        try:
            serving = self._serving.get()
        except ServingUnreachableError as error:
            serving_reason = str(error)
        return Cluster(
            nodes=nodes,
            nodes_reason=nodes_reason,
            growth=_growth(self._growth, nodes) if self._growth else None,
            serving=serving,
            serving_reason=serving_reason,
        )

    def _ask_ray(self) -> list[ClusterNode]:
        jobs = {job.attempt.submission_id: job for job in self._jobs.active() if job.attempt is not None}
        prepares = any(job.kind == "dataset" for job in jobs.values())
        return [_node(node, jobs) for node in self._ray.look(with_tasks=prepares)]

    def _ask_serving(self) -> Serving:
        found = self._client.figures()
        told = {address: each for address, each in found.items() if isinstance(each, ServingFigures)}
        together = sum(told.values(), ServingFigures())
        return Serving(
            replicas=[
                ServingReplica(address=address, status="ok" if address in told else str(each))
                for address, each in found.items()
            ],
            versions=[
                _version(version, self._aliases(version), latency)
                for version, latency in sorted(together.latencies.items())
            ],
            photos_waiting=together.photos_waiting,
        )

    def _aliases(self, version: Version) -> list[str]:
        try:
            aliases = self._models.aliases(version.model)
        except NotFoundError:
            # Removed since it was asked.
            return []
        return sorted(alias for alias, named in aliases.items() if named.version == version.number)


def _node(node: LivingNode, jobs: Mapping[str, Job]) -> ClusterNode:
    machine = node.machine
    memory = machine.memory
    return ClusterNode(
        id=node.id,
        address=node.address,
        is_head=node.is_head,
        cpus=node.cpus,
        cpus_used=_used(node.cpus, machine.used.get("CPU")),
        gpus=node.gpus,
        gpus_used=_used(node.gpus, machine.used.get("GPU")),
        gpu_names=None if machine.gpu_names is None else list(machine.gpu_names),
        memory_bytes=memory.total_bytes if memory else None,
        memory_used_bytes=memory.used_bytes if memory else None,
        runs=[
            RunOnNode(run_id=job.id, name=job.name, workers=node.workers[submission_id])
            for submission_id, job in jobs.items()
            if job.kind == "run" and submission_id in node.workers
        ],
        preparations=[
            PreparationOnNode(dataset=job.name, tasks=node.tasks[submission_id])
            for submission_id, job in jobs.items()
            if job.kind == "dataset" and job.name is not None and submission_id in node.tasks
        ],
    )


def _used(total: float, told: float | None) -> float | None:
    """Of what a node does not have Ray tells nothing."""
    return told if total else 0.0


def _version(version: Version, aliases: list[str], latency: Latency) -> ServedVersion:
    return ServedVersion(
        model=version.model,
        version=version.number,
        aliases=aliases,
        answers=latency.count,
        mean_seconds=latency.mean_seconds,
        p50_seconds=latency.quantile(0.5),
        p95_seconds=latency.quantile(0.95),
        p99_seconds=latency.quantile(0.99),
    )


def _growth(growth: Growth, nodes: list[ClusterNode] | None) -> ClusterGrowth:
    workers = None if nodes is None else sum(not node.is_head for node in nodes)
    return ClusterGrowth(
        **growth.model_dump(),
        # Someone may have added more by hand.
        to_come=None if workers is None else max(0, growth.workers - workers),
    )
