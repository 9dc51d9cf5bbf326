"""Which workers a run gets, and whether the cluster can ever hold them."""

from __future__ import annotations

from service.cluster.jobs import ClusterResources
from service.domain.resolved_run import Allocation
from service.domain.spec import ResourcesSpec
from service.errors import InfeasibleError


def allocate(wanted: ResourcesSpec, resources: ClusterResources) -> Allocation:
    """Chooses GPUs or CPUs for a run's workers; raises `InfeasibleError` when they can never all run."""
    cpus = wanted.cpus_per_worker or 1
    on_gpus = resources.workers_that_fit(cpus=cpus, gpus=wanted.devices_per_worker)
    fewest = wanted.fewest_workers
    use_gpu = wanted.accelerator == "gpu" or (wanted.accelerator == "auto" and on_gpus >= fewest)
    allocation = Allocation(
        num_workers=wanted.most_workers,
        cpus_per_worker=cpus,
        gpus_per_worker=wanted.devices_per_worker if use_gpu else 0,
        min_workers=fewest,
    )
    require_room(allocation, resources)
    return allocation


def require_room(allocation: Allocation, resources: ClusterResources) -> None:
    """Raises `InfeasibleError` when a cluster can never run an allocation's workers at once."""
    cpus, gpus = allocation.cpus_per_worker, allocation.gpus_per_worker
    if not resources.hold(allocation):
        room = resources.workers_that_fit(cpus=cpus, gpus=gpus)
        raise InfeasibleError(
            f"{allocation} do not fit: the cluster has {resources}, room for {room} such worker(s)"
        )
