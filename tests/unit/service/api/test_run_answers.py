"""Pages of runs whose JSON is kept say what the database says, whatever has happened to the runs since."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.api.run_answers import RunAnswers, answer
from service.domain.answers import RunPage
from service.domain.state import JobState
from service.store.database import Database
from service.store.jobs import JobStore, new_job_id


@pytest.fixture
def jobs(database: Database) -> JobStore:
    return JobStore(database)


def add_run(jobs: JobStore, state: JobState, folder: Path) -> str:
    run_id = new_job_id()
    job = jobs.create("run", name=None, spec={"dataset": "photos"}, folder=folder / run_id, job_id=run_id)
    job.work.create({})
    with jobs.editing(run_id) as edit:
        if state is not JobState.QUEUED:
            edit.begin_attempt()
            edit.move_to(state)
    return run_id


def from_database(jobs: JobStore) -> RunPage:
    page = jobs.page("run")
    queue = jobs.queue("run")
    return RunPage(items=[answer(job, queue) for job in page.items], next_cursor=page.next_cursor)


def shown(answers: RunAnswers) -> RunPage:
    return RunPage.model_validate_json(answers.page((), 50, None))


def test_a_page_is_the_same_the_first_time_and_after_every_change(jobs: JobStore, tmp_path: Path) -> None:
    answers = RunAnswers(jobs)
    states = (JobState.SUCCEEDED, JobState.STOPPED, JobState.RUNNING, JobState.QUEUED, JobState.QUEUED)
    succeeded, stopped, running, first, second = (add_run(jobs, state, tmp_path) for state in states)
    assert shown(answers) == shown(answers) == from_database(jobs)
    positions = {run.id: run.queue_position for run in shown(answers).items}
    assert {positions[first], positions[second]} == {1, 2}

    with jobs.editing(stopped) as edit:
        edit.queue_again()
    assert shown(answers) == from_database(jobs)
    assert {run.id: run.queue_position for run in shown(answers).items}[stopped] == 3

    with jobs.editing(stopped) as edit:
        edit.move_to(JobState.FAILED, "code_error: it fell")
    with jobs.editing(running) as edit:
        edit.row.progress = {"step": 7}
    jobs.delete(succeeded)
    assert shown(answers) == shown(answers) == from_database(jobs)
    assert {run.id for run in shown(answers).items} == {second, first, running, stopped}


def test_pages_go_on_where_the_one_before_ended(jobs: JobStore, tmp_path: Path) -> None:
    answers = RunAnswers(jobs)
    made = {add_run(jobs, JobState.SUCCEEDED, tmp_path) for _ in range(5)}
    for _ in range(2):
        seen, cursor = [], None
        while True:
            page = RunPage.model_validate_json(answers.page([JobState.SUCCEEDED], 2, cursor))
            seen += [run.id for run in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert set(seen) == made
        assert seen == [run.id for run in from_database(jobs).items]
