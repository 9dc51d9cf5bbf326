"""What a job writes reaches its history once, whenever and however often it is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.domain.events import CheckpointLine, EpochLine, EventKind, FailureLine, StepLine, WarningLine
from service.domain.job import Job
from service.operations.history import read_news, record
from service.store.database import Database
from service.store.jobs import JobStore, new_job_id
from service.training.progress import LineFile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    database = Database(f"sqlite:///{tmp_path / 'tandem.db'}")
    yield JobStore(database)
    database.close()


@pytest.fixture
def job(store: JobStore, tmp_path: Path) -> Job:
    folder = tmp_path / "run"
    job = store.create("run", name=None, spec={}, folder=folder, job_id=new_job_id())
    job.work.create({})
    return job


def step(number: int, at: str = "2026-01-01T00:00:00.000+00:00") -> StepLine:
    return StepLine(
        at=at,
        epoch=0,
        step=number,
        total_steps=10,
        loss=1.0,
        learning_rate=0.01,
        images_per_second=100.0,
        eta_seconds=None,
        num_workers=1,
        wait_share=0.0,
        corrupt_samples=0,
    )


def look(store: JobStore, job_id: str) -> Job:
    job = store.get(job_id)
    news = read_news(job)
    with store.editing(job_id) as edit:
        record(edit, news)
    return store.get(job_id)


def test_lines_become_events_once(store: JobStore, job: Job) -> None:
    progress, events = LineFile(job.work.progress), LineFile(job.work.events)
    progress.append(step(1))
    progress.append(step(2))
    events.append(CheckpointLine(at="2026-01-01T00:00:00.001+00:00", name="step-00000002", epoch=0, step=2))
    look(store, job.id)
    look(store, job.id)
    progress.append(step(3))
    assert look(store, job.id).progress["step"] == 3
    kinds = [(event.kind, event.data.get("step")) for event in store.events_after(job.id, 1)]
    assert kinds == [(EventKind.PROGRESS, 2), (EventKind.CHECKPOINT, 2), (EventKind.PROGRESS, 3)]


def test_an_event_has_the_time_at_which_the_job_told_of_it(store: JobStore, job: Job) -> None:
    LineFile(job.work.progress).append(step(1))
    LineFile(job.work.events).append(epoch_line(1, 0.4))
    look(store, job.id)
    told = {event.kind: event.at for event in store.events_after(job.id, 1)}
    assert told == {
        EventKind.PROGRESS: step(1).at,
        EventKind.EPOCH: epoch_line(1, 0.4).at,
    }


def test_a_line_still_being_written_waits_until_it_is_whole(store: JobStore, job: Job) -> None:
    whole = step(1).model_dump_json().encode() + b"\n"
    job.work.progress.write_bytes(whole[:20])
    assert look(store, job.id).progress == {}
    job.work.progress.write_bytes(whole)
    assert look(store, job.id).progress["step"] == 1


def test_a_line_cut_short_by_a_fallen_writer_does_not_swallow_the_next(store: JobStore, job: Job) -> None:
    job.work.progress.write_bytes(b'{"at": "2026')
    LineFile(job.work.progress).append(step(5))
    assert look(store, job.id).progress["step"] == 5


def epoch_line(number: int, top1_error: float) -> EpochLine:
    return EpochLine(
        at=f"2026-01-01T00:00:0{number}+00:00",
        epoch=number,
        step=5 * number,
        train_loss=1.0,
        val_loss=1.0,
        val_top1_error=top1_error,
        val_top5_error=0.1,
        val_samples=10,
        seconds=1.0,
    )


def test_validation_errors_stay_in_the_progress_of_the_steps_that_follow(store: JobStore, job: Job) -> None:
    LineFile(job.work.events).append(epoch_line(1, 0.4))
    look(store, job.id)
    LineFile(job.work.progress).append(step(6))
    progress = look(store, job.id).progress
    assert (progress["step"], progress["val_top1_error"], progress["val_top5_error"]) == (6, 0.4, 0.1)


def test_the_best_error_stays_while_later_epochs_do_worse(store: JobStore, job: Job) -> None:
    events = LineFile(job.work.events)
    best = []
    for number, error in enumerate((0.4, 0.3, 0.5), start=1):
        events.append(epoch_line(number, error))
        best.append(look(store, job.id).progress["best_val_top1_error"])
    assert best == [0.4, 0.3, 0.3]
    assert look(store, job.id).progress["val_top1_error"] == 0.5


def test_a_warning_becomes_an_event_with_what_to_try(store: JobStore, job: Job) -> None:
    LineFile(job.work.events).append(WarningLine(at="t", code="stalled", message="try another seed"))
    look(store, job.id)
    (event,) = store.events_after(job.id, 1)
    assert (event.kind, event.data) == (
        EventKind.WARNING,
        {"code": "stalled", "message": "try another seed"},
    )


def test_a_failure_counts_until_progress_is_reported_after_it(store: JobStore, job: Job) -> None:
    progress, events = LineFile(job.work.progress), LineFile(job.work.events)
    progress.append(step(1, at="2026-01-01T00:00:01.000+00:00"))
    events.append(FailureLine(at="2026-01-01T00:00:02.000+00:00", rank=1, message="killed"))
    signs = read_news(job).signs
    assert (signs.fell, signs.reported) == (True, False)
    progress.append(step(2, at="2026-01-01T00:00:03.000+00:00"))
    signs = read_news(job).signs
    assert (signs.fell, signs.reported) == (False, True)


def test_what_an_earlier_attempt_wrote_is_told_and_says_nothing_of_this_one(
    store: JobStore, job: Job
) -> None:
    LineFile(job.work.progress).append(step(1))
    failure = FailureLine(at="2026-01-01T00:00:00.002+00:00", rank=0, message="killed")
    LineFile(job.work.events).append(failure)
    with store.editing(job.id) as edit:
        edit.begin_attempt()
    news = read_news(store.get(job.id))
    assert (news.signs.fell, news.signs.reported) == (False, False)
    assert look(store, job.id).progress["step"] == 1
