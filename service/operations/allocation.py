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
    on_cpus = resources.workers_that_fit(cpus=cpus, gpus=0)
    use_gpu = wanted.accelerator == "gpu" or (wanted.accelerator == "auto" and on_gpus >= wanted.num_workers)
    fit = on_gpus if use_gpu else on_cpus
    gpus = wanted.devices_per_worker if use_gpu else 0
    if fit < wanted.num_workers:
        raise InfeasibleError(
            f"num_workers={wanted.num_workers} of {cpus} CPU(s) and {gpus} GPU(s) each do not fit: the"
            f" cluster has {resources}, room for {fit} such worker(s)"
        )
    return Allocation(num_workers=wanted.num_workers, cpus_per_worker=cpus, gpus_per_worker=gpus)
