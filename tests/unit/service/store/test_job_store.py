"""Jobs in a real database, SQLite's and PostgreSQL's: identity, order, and a history without gaps."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from service.domain.events import EventKind
from service.domain.job import Job
from service.domain.state import JobState
from service.errors import ConflictError, IdempotencyMismatchError, NotFoundError
from service.store.database import Database
from service.store.jobs import Idempotency, JobStore, new_job_id
from service.store.tables import Base


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


def queued(store: JobStore, idempotency: Idempotency | None = None) -> Job:
    job_id = new_job_id()
    return store.create(
        "run", name=None, spec={}, folder=Path("runs") / job_id, job_id=job_id, idempotency=idempotency
    )


def test_migrations_lead_to_the_tables_in_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_opening_a_migrated_database_again_keeps_its_rows(database_url: str) -> None:
    first = Database(database_url)
    job = queued(JobStore(first))
    first.close()
    second = Database(database_url)
    assert JobStore(second).get(job.id) == job
    second.close()


def test_twenty_threads_with_one_key_make_one_job(store: JobStore) -> None:
    gate = threading.Barrier(20)

    def ask(_: int) -> str:
        gate.wait()
        return queued(store, Idempotency("key", "hash")).id

    with ThreadPoolExecutor(20) as threads:
        made = set(threads.map(ask, range(20)))
    assert len(made) == 1
    assert [job.id for job in store.page("run").items] == list(made)


def test_a_key_is_refused_for_another_request(store: JobStore) -> None:
    queued(store, Idempotency("key", "one request"))
    with pytest.raises(IdempotencyMismatchError, match="send a new key"):
        queued(store, Idempotency("key", "another request"))


def test_one_name_is_prepared_once_at_a_time(store: JobStore) -> None:
    def prepare() -> Job:
        return store.create("dataset", name="photos", spec={}, folder=Path("x"), job_id=new_job_id())

    first = prepare()
    with pytest.raises(ConflictError, match="photos"):
        prepare()
    with store.editing(first.id) as edit:
        edit.move_to(JobState.FAILED, "for the test")
    assert prepare().id != first.id


def test_a_history_written_by_many_threads_has_every_sequence_number_once(store: JobStore) -> None:
    job = queued(store)

    def append(number: int) -> None:
        with store.editing(job.id) as edit:
            edit.append(EventKind.PROGRESS, {"step": number})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(append, range(40)))
    events = store.events_after(job.id, 0)
    assert [event.sequence for event in events] == list(range(1, 42))
    assert {event.data["step"] for event in events[1:]} == set(range(40))
    assert store.events_after(job.id, 40) == events[40:]


def test_an_edit_that_raises_leaves_neither_state_nor_event(store: JobStore) -> None:
    job = queued(store)

    def fail() -> None:
        with store.editing(job.id) as edit:
            edit.move_to(JobState.RUNNING)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.get(job.id) == job
    assert len(store.events_after(job.id, 0)) == 1


def test_a_terminal_state_ends_the_attempt_and_the_history(store: JobStore) -> None:
    job = queued(store)
    with store.editing(job.id) as edit:
        attempt = edit.begin_attempt()
        edit.move_to(JobState.STARTING)
        edit.move_to(JobState.SUCCEEDED)
    ended = store.get(job.id)
    assert attempt.submission_id == f"{job.id}-a1"
    assert ended.attempt is not None
    assert ended.attempt.outcome is JobState.SUCCEEDED
    assert ended.finished_at is not None
    assert store.events_after(job.id, 0)[-1].kind is EventKind.END
    assert store.active() == []


def test_pages_follow_one_another_newest_first(store: JobStore) -> None:
    made = [queued(store).id for _ in range(7)]
    found: list[str] = []
    cursor = None
    while True:
        page = store.page("run", limit=3, cursor=cursor)
        found += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(found) == sorted(made)
    times = [store.get(job_id).created_at for job_id in found]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("states", [[JobState.FAILED], [JobState.QUEUED, JobState.FAILED, JobState.QUEUED]])
def test_pages_of_some_states_are_all_runs_less_the_others(store: JobStore, states: list[JobState]) -> None:
    for number in range(12):
        job = queued(store)
        if number % 4:
            with store.editing(job.id) as edit:
                edit.move_to(JobState.FAILED if number % 4 == 1 else JobState.SUCCEEDED)
    wanted = [job.id for job in store.page("run").items if job.state in states]
    found: list[str] = []
    cursor = None
    while True:
        page = store.page("run", states=states, limit=2, cursor=cursor)
        found += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == wanted
    assert len(found) >= 3


def test_an_active_job_is_not_deleted_and_an_ended_one_is_gone(store: JobStore) -> None:
    job = queued(store)
    with pytest.raises(ConflictError, match="stop it"):
        store.delete(job.id)
    with store.editing(job.id) as edit:
        edit.move_to(JobState.STOPPED)
    store.delete(job.id)
    with pytest.raises(NotFoundError):
        store.get(job.id)
    assert store.events_after(job.id, 0) == []


def ended(store: JobStore, state: JobState, reason: str | None = None) -> Job:
    job = queued(store)
    with store.editing(job.id) as edit:
        edit.begin_attempt()
        edit.row.stop_mode, edit.row.stop_deadline = "graceful", "2026-01-01T00:00:00+00:00"
        edit.move_to(state, reason)
    return store.get(job.id)


def test_a_job_queued_again_forgets_how_it_ended_and_its_attempt_remembers(store: JobStore) -> None:
    job = ended(store, JobState.FAILED, "diverged: the loss is nan")
    with store.editing(job.id) as edit:
        edit.queue_again()
    again = store.get(job.id)
    assert again.state is JobState.QUEUED
    assert (again.stop_mode, again.stop_deadline, again.finished_at) == (None, None, None)
    (attempt,) = again.attempts
    assert (attempt.outcome, attempt.reason) == (JobState.FAILED, "diverged: the loss is nan")
    assert attempt.finished_at is not None
    with store.editing(job.id) as edit:
        assert edit.begin_attempt().submission_id == f"{job.id}-a2"


def test_a_job_stopped_before_its_next_attempt_leaves_the_last_one_as_it_ended(store: JobStore) -> None:
    job = ended(store, JobState.FAILED, "oom")
    with store.editing(job.id) as edit:
        edit.queue_again()
        edit.move_to(JobState.STOPPED, "stopped before it started")
    assert store.get(job.id).attempts == job.attempts


def test_the_events_of_some_kinds_come_in_order_and_go_on_from_any_of_them(store: JobStore) -> None:
    job, other = queued(store), queued(store)
    with store.editing(job.id) as edit:
        for step in range(6):
            edit.append(EventKind.PROGRESS, {"step": step})
            edit.append(EventKind.EPOCH if step % 2 else EventKind.CHECKPOINT, {"step": step})
    with store.editing(other.id) as edit:
        edit.append(EventKind.EPOCH, {"step": 99})
    kinds = [EventKind.EPOCH, EventKind.CHECKPOINT, EventKind.EPOCH]
    expected = [event for event in store.events_after(job.id, 0) if event.kind in kinds]
    assert len(expected) == 6
    found = store.events_after(job.id, 0, limit=4, kinds=kinds)
    assert found == expected[:4]
    assert store.events_after(job.id, found[-1].sequence, kinds=kinds) == expected[4:]
    assert store.events_after(job.id, 0, kinds=[EventKind.WARNING]) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kinds", [[EventKind.STATE, EventKind.END], [EventKind.STATE, EventKind.PROGRESS]])
def test_a_page_of_some_kinds_costs_the_same_in_a_long_history(
    database: Database, store: JobStore, kinds: list[EventKind]
) -> None:
    instructions = 0

    def count() -> None:
        nonlocal instructions
        instructions += 1

    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(count, 1)

    def cost(events: int) -> int:
        nonlocal instructions
        job = queued(store)
        with store.editing(job.id) as edit:
            for step in range(events):
                edit.append(EventKind.PROGRESS, {"step": step})
            edit.move_to(JobState.STOPPED)
        instructions = 0
        assert store.events_after(job.id, 0, limit=10, kinds=kinds)
        return instructions

    assert cost(5000) < 2 * cost(50)
