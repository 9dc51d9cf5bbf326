"""Starting a training run, going on with one, and letting go of one."""

from __future__ import annotations

from pathlib import Path

from pipeline.shards.manifest import MANIFEST_FILE, Manifest
from service.cluster.jobs import RayCluster
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import DatasetPin
from service.domain.spec import RunSpec
from service.domain.state import RESUMABLE, JobState
from service.domain.storage import require_folder
from service.errors import ConflictError
from service.operations.jobs import resolved_run
from service.operations.resolve import resolve
from service.settings import Settings
from service.store.jobs import Idempotency, JobStore, new_job_id
from service.store.models import ModelStore
from service.store.trash import empty_trash, trash_of


class RunOperations:
    """The verbs on runs. Thread-safe."""

    def __init__(self, settings: Settings, jobs: JobStore, models: ModelStore, cluster: RayCluster) -> None:
        self._settings = settings
        self._models = models
        self._jobs = jobs
        self._cluster = cluster

    def create(self, spec: RunSpec, idempotency: Idempotency | None = None) -> Job:
        """Queues a run.

        Raises what `resolve` raises, `StorageUnavailableError` and `ClusterUnreachableError`.
        """
        earlier = self._jobs.repeated("run", idempotency)
        if earlier is not None:
            return earlier
        run_id = new_job_id()
        require_folder(self._settings.datasets)
        dataset = self._settings.datasets / spec.dataset
        resolved = resolve(run_id, spec, dataset, self._models, self._cluster.resources)
        folder = JobFolder(self._settings.runs / run_id)
        resolved = resolved.model_copy(update={"storage": self._settings.storage_of(folder.path)})
        return self._jobs.create(
            "run",
            name=spec.name,
            spec=spec.model_dump(mode="json"),
            folder=folder.path,
            job_id=run_id,
            idempotency=idempotency,
            lay_out=lambda: folder.create(resolved.model_dump(mode="json")),
        )

    def resume(self, job: Job) -> Job:
        """Queues a run that ended before its time again; it goes on from its newest checkpoint.

        Raises `ConflictError` for a run that still works or has succeeded, and where its dataset is another
        by now, for it would not go on as it began; and what `resolved_run` raises. Nodes that the cluster
        has lost are waited for in the queue: they may be on their way back.
        """
        _require_resumable(job.id, job.state)
        job.work.require_storage()
        if not job.work.specification.is_file():
            raise ConflictError(f"the folder of run {job.id} is gone: start a new run")
        _require_same_dataset(resolved_run(job).dataset)
        with self._jobs.editing(job.id) as edit:
            _require_resumable(job.id, edit.state)
            job.work.clear_ending()
            edit.queue_again()
        return self._jobs.get(job.id)

    def delete(self, job: Job) -> None:
        """Removes a run, its checkpoints and its history; published models stay, for they are copies.

        Raises `ConflictError` unless the run is over, and while a process that was lost still trains there;
        `StorageUnavailableError` while its files cannot be removed with it.
        """
        job.work.require_storage()
        if job.work.is_held():
            raise ConflictError(f"a process of run {job.id} has not ended yet: delete it in a moment")
        folder = job.work.path
        # Out of the way in one step, so that nobody sees a run with half of its files.
        with self._jobs.editing(job.id) as edit:
            edit.delete()
            if folder.exists():
                folder.rename(trash_of(folder))
        empty_trash(folder.parent)


def _require_same_dataset(pin: DatasetPin) -> None:
    path = Path(pin.path)
    if not (path / MANIFEST_FILE).is_file():
        raise ConflictError(f"dataset {pin.name!r} is gone: prepare it again, as it was, and resume then")
    if Manifest.load(path).checksum != pin.checksum:
        raise ConflictError(
            f"dataset {pin.name!r} is not the one this run began with (checksum {pin.checksum}): start a new"
            " run on it"
        )


def _require_resumable(run_id: str, state: JobState) -> None:
    if state not in RESUMABLE:
        raise ConflictError(
            f"run {run_id} is {state}: only a run that was stopped, failed or was interrupted can be resumed"
        )
