"""What can be done to models: publishing a run's checkpoint as the next version of one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from model.checkpoint_record import CheckpointRecord, verify_file
from model.errors import ModelError
from model.published import WEIGHTS_FILE, ColourStatistics, DatasetOrigin, Label, PublishedModel
from pipeline.errors import PipelineError, StoredFileDamagedError
from pipeline.shards.manifest import Manifest
from pipeline.shards.statistics import Statistics
from pipeline.storage.local_folder import LocalFolder
from pipeline.storage.moving import store_files
from service.cluster.serving import ServingClient
from service.domain.job import Job
from service.domain.job_folder import step_of
from service.domain.resolved_run import ResolvedRun
from service.errors import (
    ConflictError,
    NotFoundError,
    ServiceError,
    ServingUnreachableError,
    StorageUnavailableError,
    UnfitCheckpointError,
)
from service.operations.indexing import IndexOperations
from service.operations.jobs import resolved_run
from service.settings import Settings
from service.store.models import PRODUCTION, ModelStore, check_alias

log = structlog.get_logger()


class ModelOperations:
    """The verbs on models. Thread-safe."""

    def __init__(
        self, settings: Settings, models: ModelStore, serving: ServingClient, indexes: IndexOperations
    ) -> None:
        self._settings = settings
        self._models = models
        self._serving = serving
        self._indexes = indexes

    def publish(
        self, name: str, job: Job, *, checkpoint: str | None = None, alias: str | None = PRODUCTION
    ) -> PublishedModel:
        """Copies a checkpoint, the newest unless one is named, into the next version of a model.

        It is seen once the serving process has tried it, and the alias moves to it then; the index of its
        training photos is built after that. Whatever goes wrong before leaves nothing: `NotFoundError` for a
        checkpoint that is not there, `ConflictError` when there is none or its dataset has changed or gone,
        `UnfitCheckpointError` when it is damaged or does not classify, `ServingUnreachableError` when nobody
        can say, `StorageUnavailableError` where files are out of reach.
        """
        self._models.require_storage()
        job.work.require_storage()
        if alias is not None:
            check_alias(alias)
        source = _checkpoint(job, checkpoint)
        run = resolved_run(job)
        with self._models.candidate() as candidate:
            storage = self._settings.storage_of(self._settings.models / name)
            trained = _copy_weights(source, candidate, storage)
            description = _describe(name, run, trained)
            description.save(candidate)
            self._serving.check(candidate.name)
            published = self._models.adopt(candidate, description)
        if alias is not None:
            self.set_alias(name, alias, published.version)
        self._begin_index(published)
        return published

    def _begin_index(self, published: PublishedModel) -> None:
        # The version is there and answers: that its photos cannot be searched yet does not undo it.
        try:
            self._indexes.begin(published.name, published.version)
        except ServiceError as error:
            log.warning("index_not_begun", model=published.name, version=published.version, detail=str(error))

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Points an alias at a version, which the serving process has in memory by then.

        Where no serving process answers the alias moves all the same: it is read by those that come. Raises
        `UnfitCheckpointError` for a version that does not load any more, `NotFoundError` for none.
        """
        check_alias(alias)
        self._models.folder(name, version)
        try:
            self._serving.make_ready(name, version)
        except ServingUnreachableError as error:
            log.warning("alias_moved_unloaded", model=name, alias=alias, version=version, detail=str(error))
        self._models.set_alias(name, alias, version)
        log.info("alias_moved", model=name, alias=alias, version=version)

    def remove_version(self, name: str, version: int, active: Iterable[Job]) -> None:
        """Removes a version for good; its number is not given again.

        Raises `ConflictError` while an alias names it, or one of the `active` jobs needs it.
        """
        for job in active:
            if job.kind == "index" and (job.spec["model"], job.spec["version"]) == (name, version):
                raise ConflictError(f"version {version} of model {name!r} is being indexed: wait for it")
            if _starts_from(job, name, version):
                raise ConflictError(
                    f"run {job.id} is to start from version {version} of model {name!r}: stop it first"
                )
        self._models.remove_version(name, version)
        log.info("version_removed", model=name, version=version)

    def publish_once(self, name: str, job: Job, *, alias: str) -> PublishedModel:
        """As `publish`, but where the run's newest checkpoint is a version already, none is added.

        For who asks again, not knowing whether it was done.
        """
        step = step_of(_checkpoint(job, None).name)
        versions = self._models.read_all(name) if name in self._models.names() else []
        for published in reversed(versions):
            if (published.run_id, published.step) == (job.id, step):
                self.set_alias(name, alias, published.version)
                self._begin_index(published)
                return published
        return self.publish(name, job, alias=alias)


def _starts_from(job: Job, name: str, version: int) -> bool:
    if job.kind != "run" or job.spec.get("start_from") is None:
        return False
    start = resolved_run(job).start
    return start is not None and (start.name, start.version) == (name, version)


def _describe(name: str, run: ResolvedRun, trained: CheckpointRecord) -> PublishedModel:
    """What will be known of the model; its version is 0 until the store gives it one."""
    manifest, statistics = _dataset(run)
    return PublishedModel(
        name=name,
        version=0,
        created_at=datetime.now(UTC),
        architecture=run.model,
        image_size=manifest.image_size,
        labels=tuple(Label(index=entry.index, id=entry.id, name=entry.name) for entry in manifest.classes),
        statistics=ColourStatistics.model_validate(
            {
                "channel_mean": tuple(statistics.channel_mean.tolist()),
                "pca_eigenvalues": tuple(statistics.pca_eigenvalues.tolist()),
                "pca_eigenvectors": tuple(map(tuple, statistics.pca_eigenvectors.tolist())),
            }
        ),
        dataset=DatasetOrigin(name=run.dataset.name, checksum=run.dataset.checksum),
        metrics=trained.metrics,
        run_id=run.run_id,
        step=trained.step,
        weights_sha256=trained.weights_sha256,
    )


def _dataset(run: ResolvedRun) -> tuple[Manifest, Statistics]:
    """What the run's dataset knows of its classes and pixels, if it is still the one that was trained on."""
    folder = Path(run.dataset.path)
    try:
        manifest = Manifest.load(folder)
        if manifest.checksum != run.dataset.checksum:
            raise ConflictError(
                f"dataset {run.dataset.name!r} is not the one run {run.run_id} was trained on"
            )
        return manifest, Statistics.load(folder)
    except PipelineError as error:
        raise ConflictError(
            f"the labels of run {run.run_id} are gone with its dataset {run.dataset.name!r}: {error}"
        ) from error


def _checkpoint(job: Job, name: str | None) -> Path:
    names = job.work.checkpoint_names()
    if not names:
        raise ConflictError(f"run {job.id} is {job.state} and has no checkpoint to publish")
    if name is not None and name not in names:
        raise NotFoundError(f"run {job.id} has no checkpoint {name!r}: it has {', '.join(names)}")
    return job.work.checkpoints / (name or names[-1])


def _copy_weights(checkpoint: Path, candidate: Path, storage: str | None) -> CheckpointRecord:
    """Copies the weights, sees that they are what the checkpoint's record says, and returns the record.

    They go below the URL `storage` if there is one: who reads them there compares them again.
    """
    copy = candidate / WEIGHTS_FILE
    try:
        with LocalFolder(checkpoint) as source:
            weights = source.path / WEIGHTS_FILE
            if storage is None:
                weights = Path(shutil.copyfile(weights, copy))
            record = CheckpointRecord.load(checkpoint)
            verify_file(weights, record.weights_sha256)
            if storage is not None:
                store_files(candidate, {WEIGHTS_FILE: weights}, storage)
    except (FileNotFoundError, ModelError, StoredFileDamagedError) as error:
        # A run that still trains lets go of its older checkpoints.
        if isinstance(error, FileNotFoundError) or not checkpoint.is_dir():
            raise ConflictError(
                f"checkpoint {checkpoint.name} has just been removed: name a newer one"
            ) from error
        raise UnfitCheckpointError(str(error)) from error
    except PipelineError as error:
        raise StorageUnavailableError(str(error)) from error
    return record
