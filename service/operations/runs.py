"""Starting a training run."""

from __future__ import annotations

import shutil

from service.cluster.jobs import RayCluster
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.spec import RunSpec
from service.operations.resolve import resolve
from service.settings import Settings
from service.store.jobs import Idempotency, JobStore, new_job_id


class RunOperations:
    """Makes runs. Thread-safe."""

    def __init__(self, settings: Settings, jobs: JobStore, cluster: RayCluster) -> None:
        self._settings = settings
        self._jobs = jobs
        self._cluster = cluster

    def create(self, spec: RunSpec, idempotency: Idempotency | None = None) -> Job:
        """Queues a run. Raises what `resolve` raises, and `ClusterUnreachableError`."""
        earlier = self._jobs.repeated("run", idempotency)
        if earlier is not None:
            return earlier
        run_id = new_job_id()
        dataset = self._settings.datasets / spec.dataset
        resolved = resolve(run_id, spec, dataset, self._cluster.resources)
        folder = JobFolder(self._settings.runs / run_id)
        folder.create(resolved.model_dump(mode="json"))
        job = self._jobs.create(
            "run",
            name=spec.name,
            spec=spec.model_dump(mode="json"),
            folder=folder.path,
            job_id=run_id,
            idempotency=idempotency,
        )
        if job.id != run_id:
            # Another request with the same key came first while this one was being resolved.
            shutil.rmtree(folder.path)
        return job
