"""What can be done to the index of a version's training photos: building it, and asking how it is."""

from __future__ import annotations

from typing import NamedTuple

from model.published import PublishedModel
from pipeline.errors import PipelineError
from pipeline.shards.manifest import Manifest
from service.domain.indexing import INDEX_FOLDER, IndexOrder, IndexSpec
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.state import JobState
from service.errors import ConflictError, NotFoundError
from service.operations.jobs import stop
from service.settings import Settings
from service.store.jobs import JobStore, new_job_id
from service.store.models import ModelStore
from service.store.trash import discard


class ModelIndex(NamedTuple):
    """The index of a version, by the job that makes it where one did."""

    state: JobState
    job: Job | None


class IndexOperations:
    """The verbs on indexes. Thread-safe. What is not there raises `NotFoundError`."""

    def __init__(self, settings: Settings, jobs: JobStore, models: ModelStore) -> None:
        self._settings = settings
        self._jobs = jobs
        self._models = models

    def begin(self, name: str, version: int) -> ModelIndex:
        """Queues the indexing of a version, unless it is being done or is done already.

        Raises `ConflictError` when the dataset that the model was trained on is not there any more.
        """
        found = self._find(name, version)
        if found is not None and (not found.state.is_terminal or found.state is JobState.SUCCEEDED):
            return found
        published = self._models.read(name, version)
        order = IndexOrder(
            spec=IndexSpec(model=name, version=version, dataset=published.dataset.name),
            model_folder=str(self._models.folder(name, version)),
            dataset_folder=str(self._settings.datasets / published.dataset.name),
            dataset_checksum=published.dataset.checksum,
            storage=self._settings.storage_of(self._settings.models / f"{name}.{version}.{INDEX_FOLDER}"),
        )
        self._refuse_other_dataset(published)
        job_id = new_job_id()
        folder = JobFolder(self._settings.logs / f"index-{name}-{version}-{job_id[:8]}")
        job = self._jobs.create(
            "index",
            name=_job_name(name, version),
            spec=order.spec.model_dump(mode="json"),
            folder=folder.path,
            job_id=job_id,
            lay_out=lambda: folder.create(order.model_dump(mode="json")),
        )
        return ModelIndex(job.state, job)

    def remove(self, name: str, version: int) -> None:
        """Ends the indexing of a version, and removes the index that is there."""
        found = self.get(name, version)
        if found.job is not None and not found.job.state.is_terminal:
            stop(self._jobs, found.job, "now", grace_seconds=0)
        discard(self._models.folder(name, version) / INDEX_FOLDER)

    def get(self, name: str, version: int) -> ModelIndex:
        found = self._find(name, version)
        if found is None:
            raise NotFoundError(
                f"version {version} of model {name!r} has no index: build one with"
                f" POST /api/v1/models/{name}/versions/{version}/index"
            )
        return found

    def _find(self, name: str, version: int) -> ModelIndex | None:
        whole = (self._models.folder(name, version) / INDEX_FOLDER).is_dir()
        job = self._jobs.newest_named("index", _job_name(name, version))
        if job is not None and not job.state.is_terminal:
            # The folder is there a moment before its job has ended.
            return ModelIndex(job.state, job)
        if whole:
            return ModelIndex(JobState.SUCCEEDED, job)
        if job is None or job.state is JobState.SUCCEEDED:
            return None
        return ModelIndex(job.state, job)

    def _refuse_other_dataset(self, published: PublishedModel) -> None:
        origin = published.dataset
        try:
            checksum = Manifest.load(self._settings.datasets / origin.name).checksum
        except PipelineError as error:
            raise ConflictError(f"dataset {origin.name!r} is not there any more: {error}") from error
        if checksum != origin.checksum:
            raise ConflictError(f"dataset {origin.name!r} is not the one that the model was trained on")


def _job_name(name: str, version: int) -> str:
    return f"{name}/{version}"
