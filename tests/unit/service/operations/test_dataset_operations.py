"""Datasets by name: what prepares them, what is left when they go, and names that lead nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config import SourceConfig
from service.domain.spec import DatasetSpec
from service.domain.state import JobState
from service.errors import ConflictError, InvalidSpecError, NotFoundError
from service.operations.datasets import DatasetOperations
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import JobStore, new_job_id


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobStore]:
    database = Database(f"sqlite:///{tmp_path / 'tandem.db'}")
    yield JobStore(database)
    database.close()


@pytest.fixture
def datasets(tmp_path: Path, jobs: JobStore) -> DatasetOperations:
    settings = Settings(home=tmp_path)
    for folder in settings.folders:
        folder.mkdir()
    return DatasetOperations(settings, jobs)


def spec(source: Path, name: str = "photos") -> DatasetSpec:
    return DatasetSpec(name=name, source=SourceConfig(path=str(source)))


def fail(jobs: JobStore, job_id: str) -> None:
    with jobs.editing(job_id) as edit:
        edit.move_to(JobState.FAILED, "for the test")


def test_a_failed_preparation_is_shown_until_it_is_deleted_with_all_before_it(
    datasets: DatasetOperations, jobs: JobStore, tmp_path: Path
) -> None:
    for _ in range(2):
        fail(jobs, datasets.create(spec(tmp_path), confined=False).id)
    assert [(dataset.name, dataset.state) for dataset in datasets.list()] == [("photos", JobState.FAILED)]
    datasets.delete("photos")
    assert datasets.list() == []
    with pytest.raises(NotFoundError):
        datasets.get("photos")


def test_a_preparation_under_way_takes_the_name_and_cannot_be_deleted(
    datasets: DatasetOperations, tmp_path: Path
) -> None:
    datasets.create(spec(tmp_path), confined=False)
    with pytest.raises(ConflictError, match="being made"):
        datasets.create(spec(tmp_path), confined=False)
    with pytest.raises(ConflictError, match="wait for it or stop it"):
        datasets.delete("photos")
    assert len(list((tmp_path / "logs").iterdir())) == 1, "the refused one left its folder behind"


def test_a_dataset_that_a_run_trains_on_cannot_be_deleted(
    datasets: DatasetOperations, jobs: JobStore, tmp_path: Path
) -> None:
    fail(jobs, datasets.create(spec(tmp_path), confined=False).id)
    run = {"name": None, "spec": {"dataset": "photos"}, "folder": tmp_path, "job_id": new_job_id()}
    jobs.create("run", **run)  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match=str(run["job_id"])):
        datasets.delete("photos")


def test_a_missing_source_is_refused_and_leaves_no_job(
    datasets: DatasetOperations, jobs: JobStore, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSpecError, match=r"source\.path"):
        datasets.create(spec(tmp_path / "absent"), confined=False)
    assert jobs.active() == []


def test_a_relative_source_is_refused_for_the_job_may_stand_elsewhere(
    datasets: DatasetOperations, jobs: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSpecError, match=r"photos is relative: write where it is on the server"):
        datasets.create(spec(Path("photos")), confined=False)
    assert jobs.active() == []


@pytest.mark.parametrize("name", ["../etc", "a/b", ".hidden", "", "x" * 65])
def test_a_name_that_is_a_path_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        spec(tmp_path, name)
