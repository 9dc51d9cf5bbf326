"""A job's events while they happen: looked for once, and handed to all who follow it."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable
from itertools import chain, islice
from typing import Any, Final, NamedTuple

import anyio
from anyio.to_thread import run_sync
from pydantic_core import to_json

from service.domain.events import Event, EventKind
from service.domain.job import Job
from service.errors import NotFoundError
from service.operations.jobs import LogFollower
from service.store.jobs import JobStore

POLL_SECONDS: Final = 0.5
REPLAYED_AT_ONCE: Final = 500
RECENT_EVENTS: Final = 1000
# Looks at a log, each of which may have brought a megabyte.
RECENT_LOOKS: Final = 8

Wanted = frozenset[EventKind]
ALL: Final[Wanted] = frozenset(EventKind)


class Feeds:
    """A feed for each job that is followed, from its first follower to its last. For one event loop."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._feeds: dict[str, _Feed] = {}

    async def follow(
        self, job: Job, sequence: int, kinds: Collection[EventKind] = ()
    ) -> AsyncIterator[bytes]:
        """The job's events above `sequence` and then as they happen, until it is over; frames of several.

        Where kinds are named, those of other kinds are left out, but for the end. The lines of a run's log
        come from now on. Raises what the database raises.
        """
        wanted = frozenset({*kinds, EventKind.END}) if kinds else ALL
        async for replayed in _replay(self._jobs, job.id, sequence, wanted):
            sequence = replayed.last
            yield replayed.frames
        if job.state.is_terminal:
            return
        # Up to here, what was not found was not wanted.
        sequence = max(sequence, job.last_sequence)
        feed = self._feeds.get(job.id)
        if feed is None or not feed.is_open:
            feed = self._feeds[job.id] = _Feed(self._jobs, job)
        feed.followers += 1
        try:
            async for frames in feed.follow(sequence, wanted):
                yield frames
        finally:
            feed.followers -= 1
            if not feed.followers:
                feed.close()
                if self._feeds[job.id] is feed:
                    del self._feeds[job.id]


class _Feed:
    """What a job tells from now on. It looks at the job until the job is over, or `close` is called."""

    def __init__(self, jobs: JobStore, job: Job) -> None:
        self.followers = 0
        self._jobs = jobs
        self._job_id = job.id
        self._log = LogFollower(job) if job.kind == "run" else None
        self._events = _Recent(RECENT_EVENTS, last=job.last_sequence)
        self._lines = _Recent(RECENT_LOOKS, last=0)
        self._over = False
        self._changed = anyio.Event()
        # In a context of its own: it serves whoever follows, not the request that came first.
        self._looking = asyncio.create_task(self._keep_looking(), context=contextvars.Context())

    @property
    def is_open(self) -> bool:
        return not self._looking.done()

    def close(self) -> None:
        self._looking.cancel()

    async def follow(self, sequence: int, wanted: Wanted) -> AsyncIterator[bytes]:
        """Events above `sequence`, and lines of the log from now on."""
        look = self._lines.last
        while True:
            over, changed = self._over, self._changed
            if not self._events.reach_back_to(sequence):
                # This follower is slow: more has happened than is kept here.
                told = self._events.last
                async for replayed in _replay(self._jobs, self._job_id, sequence, wanted):
                    sequence = replayed.last
                    yield replayed.frames
                # What was not found was not wanted, or the job has been deleted and its history with it.
                sequence = max(sequence, told)
                continue
            news = chain(self._events.after(sequence), self._lines.after(look))
            frames = b"".join(frame for kind, frame in news if kind in wanted)
            sequence, look = max(sequence, self._events.last), self._lines.last
            if frames:
                yield frames
            elif over:
                return
            else:
                await changed.wait()
                if not self._over and not self.is_open:
                    # Raises what the looking ended with.
                    self._looking.result()

    async def _keep_looking(self) -> None:
        try:
            while not self._over:
                seen = await run_sync(self._look)
                self._events.extend(seen.events)
                self._lines.extend(seen.lines)
                self._over = seen.over
                if seen.events or seen.lines or seen.over:
                    self._changed.set()
                    self._changed = anyio.Event()
                if not seen.over:
                    await anyio.sleep(POLL_SECONDS)
        finally:
            self._changed.set()

    def _look(self) -> _Seen:
        # Asked first: whatever belongs to a job that is over has been written by then.
        over = _is_over(self._jobs, self._job_id)
        events: list[_Frame] = []
        while more := self._jobs.events_after(self._job_id, self._events.last + len(events)):
            events += (_Frame(event.kind, _event_frame(event)) for event in more)
        lines = b"".join(map(_line_frame, self._log.new_lines())) if self._log else b""
        return _Seen(over, events, [_Frame(EventKind.LOG, lines)] if lines else [])


class _Frame(NamedTuple):
    """What is sent of an event, or of several lines of a log."""

    kind: EventKind
    sent: bytes


class _Seen(NamedTuple):
    """What a look at a job brought: whether it is over, and frames."""

    over: bool
    events: list[_Frame]
    lines: list[_Frame]


class _Recent:
    """The last frames of a series that is numbered without gaps; `last` is the newest one's number."""

    def __init__(self, kept: int, *, last: int) -> None:
        self.last = last
        self._frames: deque[_Frame] = deque(maxlen=kept)

    def extend(self, frames: Iterable[_Frame]) -> None:
        for frame in frames:
            self._frames.append(frame)
            self.last += 1

    def reach_back_to(self, number: int) -> bool:
        """Whether all frames above a number are still here."""
        return self.last - number <= len(self._frames)

    def after(self, number: int) -> Iterable[_Frame]:
        """Those above a number that are still here."""
        return islice(self._frames, max(0, len(self._frames) - max(0, self.last - number)), None)


class _Replayed(NamedTuple):
    """Several events in one, and the last one's sequence number."""

    frames: bytes
    last: int
    events: int


async def _replay(jobs: JobStore, job_id: str, sequence: int, wanted: Wanted) -> AsyncIterator[_Replayed]:
    """What there is above `sequence`."""
    while True:
        replayed = await run_sync(_replay_some, jobs, job_id, sequence, wanted)
        if replayed.events:
            yield replayed
        if replayed.events < REPLAYED_AT_ONCE:
            return
        sequence = replayed.last


def _replay_some(jobs: JobStore, job_id: str, sequence: int, wanted: Wanted) -> _Replayed:
    kinds = () if wanted == ALL else wanted
    events = jobs.events_after(job_id, sequence, REPLAYED_AT_ONCE, kinds)
    last = events[-1].sequence if events else sequence
    return _Replayed(b"".join(map(_event_frame, events)), last, len(events))


def _event_frame(event: Event) -> bytes:
    return b"id: %d\r\n" % event.sequence + _frame(event.kind, {"at": event.at, **event.data})


def _line_frame(line: str) -> bytes:
    return _frame(EventKind.LOG, {"line": line})


def _frame(kind: EventKind, data: dict[str, Any]) -> bytes:
    # JSON has no line breaks, which a frame's data would have to be split at.
    return b"event: %s\r\ndata: %s\r\n\r\n" % (kind.encode(), to_json(data))


def _is_over(jobs: JobStore, job_id: str) -> bool:
    """Whether nothing more will happen to a job: it has ended, or has been deleted since."""
    try:
        return jobs.get(job_id).state.is_terminal
    except NotFoundError:
        return True
