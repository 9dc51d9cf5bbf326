"""Many who follow one run: each gets every event once, from where it was, whoever follows beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from service.api import feed
from service.api.feed import Feeds
from service.client import Client
from service.client.events import RunEvent, parse_events
from service.domain.events import EventKind
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.state import JobState
from service.store.database import Database
from service.store.jobs import JobStore, new_job_id


@pytest.fixture
def jobs(database_url: str) -> Iterator[JobStore]:
    with closing(Database(database_url)) as database:
        yield JobStore(database)


@pytest.fixture
def job(jobs: JobStore, tmp_path: Path) -> Job:
    """A run at work, with the events 1 and 2."""
    folder = JobFolder(tmp_path / "run")
    folder.create({})
    job = jobs.create("run", name=None, spec={}, folder=folder.path, job_id=new_job_id())
    with jobs.editing(job.id) as edit:
        edit.move_to(JobState.RUNNING)
    return jobs.get(job.id)


def tell(jobs: JobStore, job: Job, *steps: int) -> None:
    with jobs.editing(job.id) as edit:
        for step in steps:
            edit.append(EventKind.PROGRESS, {"step": step})


def finish(jobs: JobStore, job: Job) -> None:
    with jobs.editing(job.id) as edit:
        edit.move_to(JobState.SUCCEEDED)


class Follower:
    """What one connection gets."""

    def __init__(self, feeds: Feeds, job: Job, sequence: int = 0, *kinds: EventKind) -> None:
        self._frames = feeds.follow(job, sequence, kinds)
        self.events: list[RunEvent] = []

    async def read(self, until: Callable[[], bool] = lambda: False) -> None:
        async for frames in self._frames:
            self.events += parse_events(iter(frames.decode().replace("\r\n", "\n").split("\n")))
            if until():
                return

    async def leave(self) -> None:
        await self._frames.aclose()  # type: ignore[attr-defined]

    @property
    def ids(self) -> list[int]:
        return [event.id for event in self.events if event.id is not None]


def test_followers_who_come_at_different_times_each_get_every_event_once(jobs: JobStore, job: Job) -> None:
    feeds = Feeds(jobs)
    early, late, resuming = Follower(feeds, job), Follower(feeds, job), Follower(feeds, job, 3)

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(early.read)
            while early.ids != [1, 2]:
                await anyio.sleep(0.01)
            tell(jobs, job, 10, 20)
            while early.ids != [1, 2, 3, 4]:
                await anyio.sleep(0.01)
            group.start_soon(late.read)
            group.start_soon(resuming.read)
            tell(jobs, job, 30)
            finish(jobs, job)

    anyio.run(scene)
    assert early.ids == late.ids == [1, 2, 3, 4, 5, 6, 7]
    assert resuming.ids == [4, 5, 6, 7]
    assert early.events[-1].kind is EventKind.END


def test_a_job_is_looked_at_once_for_all_its_followers(
    jobs: JobStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.02)
    feeds = Feeds(jobs)
    followers = [Follower(feeds, job) for _ in range(20)]
    looks, last_look = 0, None
    get = jobs.get

    def counted(job_id: str) -> Job:
        nonlocal looks, last_look
        looks += 1
        if last_look is None and all(follower.ids for follower in followers):
            last_look = looks
            finish(jobs, job)
        return get(job_id)

    monkeypatch.setattr(jobs, "get", counted)

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            for follower in followers:
                group.start_soon(follower.read)

    anyio.run(scene)
    assert looks == last_look
    assert all(follower.ids == [1, 2, 3, 4] for follower in followers)


def test_a_follower_slower_than_what_is_kept_misses_nothing(
    jobs: JobStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RECENT_EVENTS", 3)
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.02)
    feeds = Feeds(jobs)
    quick, slow = Follower(feeds, job), Follower(feeds, job)

    async def scene() -> None:
        await slow.read(until=lambda: slow.ids == [1, 2])
        async with anyio.create_task_group() as group:
            group.start_soon(quick.read)
            tell(jobs, job, 10)
            # Now it stands at the feed, and reads no further for a while.
            await slow.read(until=lambda: slow.ids == [1, 2, 3])
            for step in range(20, 30):
                tell(jobs, job, step)
                while quick.ids[-1:] != [4 + step - 20]:
                    await anyio.sleep(0.01)
            finish(jobs, job)
            await slow.read()

    anyio.run(scene)
    assert quick.ids == slow.ids == list(range(1, 16))


def test_each_follower_gets_the_kinds_it_asked_for_and_the_end(jobs: JobStore, job: Job) -> None:
    feeds = Feeds(jobs)
    everything, states = Follower(feeds, job), Follower(feeds, job, 0, EventKind.STATE)
    steps, logs = Follower(feeds, job, 3, EventKind.PROGRESS), Follower(feeds, job, 0, EventKind.LOG)
    followers = everything, states, steps, logs
    tell(jobs, job, 10, 20)

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            for follower in followers:
                group.start_soon(follower.read)
            # Lines come from when a follower came, of which nothing tells until there is one.
            while not logs.events:
                with job.work.log.open("a") as log:
                    log.write("a line\n")
                await anyio.sleep(0.05)
            tell(jobs, job, 30)
            finish(jobs, job)

    anyio.run(scene)
    assert everything.ids == [1, 2, 3, 4, 5, 6, 7]
    assert states.ids == [1, 2, 6, 7]
    assert steps.ids == [4, 5, 7]
    assert logs.ids == [7]
    assert {event.data["line"] for event in logs.events[:-1]} == {"a line"}
    assert all(follower.events[-1].kind is EventKind.END for follower in followers)


def test_a_slow_follower_of_one_kind_misses_none_of_it(
    jobs: JobStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RECENT_EVENTS", 3)
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.02)
    feeds = Feeds(jobs)
    quick, slow = Follower(feeds, job), Follower(feeds, job, 0, EventKind.STATE)

    async def scene() -> None:
        await slow.read(until=lambda: slow.ids == [1, 2])
        async with anyio.create_task_group() as group:
            group.start_soon(quick.read)
            with jobs.editing(job.id) as edit:
                edit.move_to(JobState.STOPPING)
            await slow.read(until=lambda: slow.ids == [1, 2, 3])
            for step in range(20, 30):
                tell(jobs, job, step)
                if step == 21:
                    with jobs.editing(job.id) as edit:
                        edit.move_to(JobState.RUNNING)
                while quick.ids[-1:] != [4 + step - 20 + (step >= 21)]:
                    await anyio.sleep(0.01)
            group.start_soon(slow.read)
            tell(jobs, job, 30)
            while 15 not in quick.ids:
                await anyio.sleep(0.01)
            finish(jobs, job)

    anyio.run(scene)
    assert quick.ids == list(range(1, 18))
    assert slow.ids == [1, 2, 3, 6, 16, 17]


def test_who_asks_for_more_than_there_is_keeps_nothing_from_others(jobs: JobStore, job: Job) -> None:
    feeds = Feeds(jobs)
    ahead, other = Follower(feeds, job, 10**6), Follower(feeds, job)

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ahead.read)
            group.start_soon(other.read)
            while other.ids != [1, 2]:
                await anyio.sleep(0.01)
            tell(jobs, job, 10)
            finish(jobs, job)

    anyio.run(scene)
    assert ahead.ids == []
    assert other.ids == [1, 2, 3, 4, 5]


def test_lines_of_the_log_come_from_when_a_follower_came(jobs: JobStore, job: Job) -> None:
    feeds = Feeds(jobs)
    follower = Follower(feeds, job)
    job.work.log.write_text("before\n")

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(follower.read)
            tell(jobs, job, 10)
            while 3 not in follower.ids:
                await anyio.sleep(0.01)
            with job.work.log.open("a") as log:
                log.write("one\ntwo\n")
            while len(follower.events) < 5:
                await anyio.sleep(0.01)
            finish(jobs, job)

    anyio.run(scene)
    lines = [event.data["line"] for event in follower.events if event.kind is EventKind.LOG]
    assert lines == ["one", "two"]


def test_the_last_to_leave_ends_the_looking_and_a_new_one_begins_it(jobs: JobStore, job: Job) -> None:
    feeds = Feeds(jobs)
    first, second = Follower(feeds, job), Follower(feeds, job)

    async def scene() -> None:
        tell(jobs, job, 10)
        await first.read(until=lambda: first.ids == [1, 2, 3])
        tell(jobs, job, 20)
        await first.read(until=lambda: first.ids == [1, 2, 3, 4])
        await first.leave()
        await anyio.sleep(0)
        tell(jobs, job, 30)
        finish(jobs, job)
        await second.read()

    anyio.run(scene)
    assert second.ids == [1, 2, 3, 4, 5, 6, 7]


def test_a_job_deleted_while_it_is_followed_ends_the_feed(jobs: JobStore, job: Job) -> None:
    feeds = Feeds(jobs)
    follower = Follower(feeds, job)

    async def scene() -> None:
        await follower.read(until=lambda: follower.ids == [1, 2])
        finish(jobs, job)
        jobs.delete(job.id)
        await follower.read()

    anyio.run(scene)
    assert follower.ids == [1, 2]


def test_fifty_connections_to_one_server_tell_the_same(server, client: Client) -> None:
    job = server.begin_run()
    seen: list[list[str]] = [[] for _ in range(50)]
    standing = threading.Barrier(len(seen) + 1)

    def follow(events: list[str]) -> None:
        with Client(server.url) as own:
            for event in own.runs.events(job.id):
                events.append(json.dumps([event.id, event.kind, event.data]))
                if event.id == 2:
                    standing.wait()

    threads = [threading.Thread(target=follow, args=(events,)) for events in seen]
    for thread in threads:
        thread.start()
    standing.wait()
    for step in range(5):
        tell(server.plane.jobs, job, step)
    finish(server.plane.jobs, job)
    for thread in threads:
        thread.join()
    assert len(seen[0]) == 2 + 5 + 2
    assert all(events == seen[0] for events in seen)
