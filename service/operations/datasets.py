"""What can be done to datasets: preparing one as a job, listing, deleting."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.config import SourceConfig
from pipeline.shards.manifest import Manifest
from pipeline.shards.quarantine import Quarantine, quarantine_of, quarantine_so_far
from pipeline.shards.staging import staging_path
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.spec import DatasetSpec, Preparation
from service.domain.state import JobState
from service.domain.storage import require_folder
from service.errors import ConflictError, FieldProblem, ForbiddenSourceError, InvalidSpecError, NotFoundError
from service.settings import Settings
from service.source_roots import is_below
from service.store.jobs import JobStore, new_job_id
from service.store.trash import discard


class Dataset(NamedTuple):
    """A dataset by name: the job that prepares it where one did, and its manifest once it is whole."""

    name: str
    job: Job | None
    manifest: Manifest | None

    @property
    def state(self) -> JobState:
        """A preparation's own while it is active: the folder is there a moment before its job has ended."""
        if self.job is not None and (self.manifest is None or not self.job.state.is_terminal):
            return self.job.state
        return JobState.SUCCEEDED


class DatasetOperations:
    """The verbs on datasets. Thread-safe. A folder with a manifest is a dataset, whoever prepared it.

    All of them raise `StorageUnavailableError` while the folder of all datasets is not there.
    """

    def __init__(self, settings: Settings, jobs: JobStore) -> None:
        self._settings = settings
        self._jobs = jobs

    def create(self, spec: DatasetSpec, *, confined: bool) -> Job:
        """Queues a preparation.

        `confined` limits sources to `TANDEM_SOURCE_ROOTS`. Raises `ConflictError` when the name is taken and
        `InvalidSpecError` or `ForbiddenSourceError` for a source that cannot be read.
        """
        require_folder(self._settings.datasets)
        if self._path(spec.name).exists():
            raise ConflictError(
                f"dataset {spec.name!r} exists: choose another name, or delete it with"
                f" DELETE /api/v1/datasets/{spec.name}"
            )
        for field, source in (("source", spec.source), ("val", spec.val)):
            if source is not None:
                self._check_source(field, source, confined=confined)
        job_id = new_job_id()
        folder = JobFolder(self._settings.logs / f"prepare-{spec.name}-{job_id[:8]}")
        out = self._path(spec.name)
        order = Preparation(spec=spec, out=str(out), storage=self._settings.storage_of(out))
        return self._jobs.create(
            "dataset",
            name=spec.name,
            spec=spec.model_dump(mode="json"),
            folder=folder.path,
            job_id=job_id,
            lay_out=lambda: folder.create(order.model_dump(mode="json")),
        )

    def list(self) -> list[Dataset]:
        """Every dataset that is whole, and every one whose newest preparation did not end in one."""
        require_folder(self._settings.datasets)
        whole = {path.parent.name for path in self._settings.datasets.glob("*/manifest.json")}
        prepared = {job.name for job in self._jobs.page("dataset", limit=1000).items if job.name}
        found = []
        for name in sorted(whole | prepared):
            # One that was removed by hand is none, whatever is known of its preparation.
            with suppress(NotFoundError):
                found.append(self.get(name))
        return [dataset for dataset in found if not dataset.name.startswith(".")]

    def get(self, name: str) -> Dataset:
        path = self._path(name)
        manifest = Manifest.load(path) if (path / "manifest.json").is_file() else None
        job = self._jobs.newest_named("dataset", name)
        if manifest is None:
            require_folder(path.parent)
        if manifest is None and (job is None or job.state is JobState.SUCCEEDED):
            raise NotFoundError(f"no dataset {name!r}: see GET /api/v1/datasets")
        return Dataset(name, job, manifest)

    def picture(self, name: str, file: str) -> Path:
        """Where one of `PICTURE_FILES` of a dataset is.

        Raises `NotFoundError` while the dataset is being prepared, and for one that was prepared without.
        """
        dataset, folder = self.get(name), self._path(name)
        if dataset.manifest is None:
            raise NotFoundError(
                f"dataset {name!r} is {dataset.state}: its pictures are drawn before it is whole, see"
                f" GET /api/v1/datasets/{name}"
            )
        path = folder / file
        if not path.is_file():
            raise NotFoundError(
                f"dataset {name!r} has no {file}, as those of earlier versions:"
                f" 'tandem inspect {folder} --{path.stem} {path}' draws it"
            )
        return path

    def quarantine(self, name: str, *, after: int, limit: int) -> Quarantine:
        """Photos that could not be used, `limit` at most, without the first `after` of them.

        While the dataset is being prepared, or when that has failed, those of the shards that are finished.
        """
        folder = self._path(name)
        if self.get(name).manifest is None:
            return quarantine_so_far(staging_path(folder), after=after, limit=limit)
        return quarantine_of(folder, after=after, limit=limit)

    def delete(self, name: str) -> None:
        """Removes a dataset, and what is left of preparing it.

        Raises `ConflictError` while it is being prepared or a run trains on it.
        """
        dataset = self.get(name)
        for user in self._jobs.active():
            if user.kind != "dataset" and user.spec["dataset"] == name:
                raise ConflictError(f"dataset {name!r} is used by {user.kind} {user.id}: stop it, or wait")
        if not dataset.state.is_terminal:
            raise ConflictError(f"dataset {name!r} is {dataset.state}: wait for it or stop it")
        if dataset.manifest is not None:
            discard(self._path(name))
        discard(staging_path(self._path(name)))
        while (job := self._jobs.newest_named("dataset", name)) is not None:
            self._jobs.delete(job.id)

    def _path(self, name: str) -> Path:
        return self._settings.datasets / name

    def _check_source(self, field: str, source: SourceConfig, *, confined: bool) -> None:
        for part, location in ((f"{field}.path", source.path), (f"{field}.class_names", source.class_names)):
            if location is None:
                continue
            try:
                if confined and not is_below(location, self._settings.source_roots):
                    raise ForbiddenSourceError(
                        f"{part} {location!r} is outside the places this server may read:"
                        " set TANDEM_SOURCE_ROOTS"
                    )
                # What a URL leads to is found out by the job, which may have to wait for it.
                if "://" not in location:
                    _check_path(part, Path(location))
            except (OSError, RuntimeError, ValueError) as error:
                # Too long, with a NUL in it, in a loop of links, of a user that is not there.
                problem = FieldProblem(part, f"this server cannot look there ({error}): name another path")
                raise InvalidSpecError([problem]) from error


def _check_path(field: str, path: Path) -> None:
    if not path.is_absolute():
        # The server and the job need not have the same working directory.
        problem = f"{path} is relative: write where it is on the server, from / on"
        raise InvalidSpecError([FieldProblem(field, problem)])
    if not path.exists():
        raise InvalidSpecError([FieldProblem(field, f"{path} does not exist on the server")])
