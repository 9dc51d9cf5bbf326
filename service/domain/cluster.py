"""What the API answers of the cluster: its nodes and the runs on them, and the processes that answer."""

from __future__ import annotations

from service.domain.answers import Answer


class RunOnNode(Answer):
    """A run, and how many of its workers a node holds."""

    run_id: str
    name: str | None
    workers: int


class PreparationOnNode(Answer):
    """A dataset that is being prepared, and how many of its tasks run on a node: each writes a shard."""

    dataset: str
    tasks: int


class ClusterNode(Answer):
    """A living node of Ray's; None where something is not known, or not yet.

    CPUs and GPUs are what Ray gives out, `…_used` how many of them it has; the memory is the machine's, or
    that of its container, whoever uses it.
    """

    id: str
    address: str
    is_head: bool
    cpus: float
    cpus_used: float | None
    gpus: float
    gpus_used: float | None
    gpu_names: list[str] | None
    memory_bytes: int | None
    memory_used_bytes: int | None
    runs: list[RunOnNode]
    preparations: list[PreparationOnNode]


class ClusterGrowth(Answer):
    """How many worker nodes Ray's autoscaler may have at once, what each of them has, and how many it may
    still add; None while Ray does not tell how many there are.
    """

    workers: int
    cpus: int
    gpus: int
    to_come: int | None


class ServingReplica(Answer):
    """A process, or several on one port, that answers about photos; `status` is "ok", or what is wrong."""

    address: str
    status: str


class ServedVersion(Answer):
    """A version that was asked about photos, and what its answers took since the replicas began.

    Quantiles are as exact as the buckets of the histogram they come from.
    """

    model: str
    version: int
    aliases: list[str]
    answers: int
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class Serving(Answer):
    """All replicas, and the versions that they have answered with, together."""

    replicas: list[ServingReplica]
    versions: list[ServedVersion]
    photos_waiting: int


class Cluster(Answer):
    """What does not answer is None, and its reason says why; `growth` is None where the cluster has none."""

    nodes: list[ClusterNode] | None
    nodes_reason: str | None
    growth: ClusterGrowth | None
    serving: Serving | None
    serving_reason: str | None
