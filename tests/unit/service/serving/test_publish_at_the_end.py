"""A run that is to be published when it ends, whatever is in the way then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from service.cluster.jobs import RayCluster
from service.domain.job import Job
from service.domain.state import JobState
from service.operations.models import ModelOperations
from service.operations.reconcile import Reconciler
from service.settings import Settings
from service.store.jobs import JobStore
from service.store.models import ModelStore


@pytest.fixture
def ended(jobs: JobStore, run: Job, head) -> Job:
    """The run as the database has it: Ray has done with it, and nobody has looked since."""
    spec = run.spec | {"publish": {"model": "colours", "alias": "production"}}
    jobs.create("run", name=None, spec=spec, folder=run.work.path, job_id=run.id)
    with jobs.editing(run.id) as edit:
        edit.begin_attempt()
        edit.move_to(JobState.RUNNING)
    head.statuses[f"{run.id}-a1"] = "SUCCEEDED"
    return jobs.get(run.id)


@pytest.fixture
def reconciler(jobs: JobStore, models: ModelOperations, head) -> Iterator[Callable[[float], Reconciler]]:
    cluster = RayCluster(head.url)
    yield lambda patience: Reconciler(jobs, cluster, models, patience_seconds=patience)
    cluster.close()


def test_it_waits_for_a_folder_of_models_that_is_away_for_a_while(
    ended: Job, jobs: JobStore, store: ModelStore, settings: Settings, reconciler
) -> None:
    patient = reconciler(600)
    aside = settings.models.with_name("aside")
    settings.models.rename(aside)
    patient.reconcile()
    assert jobs.get(ended.id).state is JobState.RUNNING
    aside.rename(settings.models)
    patient.reconcile()
    published = jobs.get(ended.id)
    assert (published.state, published.reason) == (JobState.SUCCEEDED, None)
    assert store.resolve("colours", "production") == 1


def test_it_ends_unpublished_where_that_lasts(
    ended: Job, jobs: JobStore, settings: Settings, reconciler
) -> None:
    settings.models.rename(settings.models.with_name("aside"))
    reconciler(0).reconcile()
    found = jobs.get(ended.id)
    assert found.state is JobState.SUCCEEDED
    assert (found.reason or "").startswith("trained, but not published: ")


def test_it_ends_unpublished_beside_a_damaged_version(
    ended: Job, jobs: JobStore, store: ModelStore, models: ModelOperations, other_run: Job, reconciler
) -> None:
    models.publish("colours", other_run)
    (store.folder("colours", 1) / "model.json").write_text("{}")
    reconciler(600).reconcile()
    found = jobs.get(ended.id)
    assert found.state is JobState.SUCCEEDED
    assert (found.reason or "").startswith("trained, but not published: ")
    assert store.versions("colours") == [1]


def test_the_index_of_a_version_that_was_there_already_is_begun(
    ended: Job, jobs: JobStore, store: ModelStore, models: ModelOperations, run: Job, reconciler
) -> None:
    """The control plane was killed when the version was there, and nothing after it."""
    models.publish("colours", run, alias=None)
    begun = jobs.newest_named("index", "colours/1")
    assert begun is not None
    with jobs.editing(begun.id) as edit:
        edit.move_to(JobState.STOPPED)
    jobs.delete(begun.id)
    reconciler(600).reconcile()
    assert jobs.get(ended.id).state is JobState.SUCCEEDED
    assert store.versions("colours") == [1]
    assert store.resolve("colours", "production") == 1
    again = jobs.newest_named("index", "colours/1")
    assert again is not None
    assert again.state is JobState.QUEUED
