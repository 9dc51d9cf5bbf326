"""Jobs and their histories, as they are in the database."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Select, func, select, tuple_, union_all
from sqlalchemy.exc import IntegrityError

from service.domain.events import Event, EventKind
from service.domain.job import Job, JobKind
from service.domain.job_folder import now
from service.domain.state import ACTIVE, JobState
from service.errors import ConflictError, IdempotencyMismatchError, NotFoundError
from service.store.database import Database
from service.store.job_edit import JobEdit
from service.store.tables import EventRow, JobRow

# What the column of a sequence number holds.
HIGHEST_SEQUENCE: Final = 2**31 - 1
ID_PATTERN: Final = "[0-9A-Za-z-]{1,36}"
CURSOR_PATTERN: Final = rf"^[0-9T:.+-]{{1,40}}_{ID_PATTERN}$"


class Idempotency(NamedTuple):
    """The key a client gave its request, and the hash of the request it gave it to."""

    key: str
    request_hash: str


class JobPage(NamedTuple):
    items: list[Job]
    next_cursor: str | None


class JobHead(NamedTuple):
    """As much of a job as says whether it is still what it was: every change makes its history longer."""

    id: str
    state: JobState
    created_at: str
    last_sequence: int


class HeadPage(NamedTuple):
    items: list[JobHead]
    next_cursor: str | None


class JobAtWork(NamedTuple):
    """How often a job was begun, and what it has told of its progress."""

    id: str
    name: str | None
    attempts: int
    progress: dict[str, Any]


class JobStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        kind: JobKind,
        *,
        name: str | None,
        spec: dict[str, Any],
        folder: Path,
        job_id: str,
        idempotency: Idempotency | None = None,
        lay_out: Callable[[], None] | None = None,
    ) -> Job:
        """Stores a queued job. A repeated request is answered with the job its first asking made.

        `lay_out` makes what belongs to the job, before anyone sees it: where the database refuses the job,
        nothing is made, and where `lay_out` raises, there is no job.
        """
        moment = now()
        row = JobRow(
            id=job_id,
            kind=kind,
            name=name,
            state=JobState.QUEUED,
            reason=None,
            spec=spec,
            folder=str(folder),
            progress={},
            attempts=[],
            created_at=moment,
            queued_at=moment,
            progress_offset=0,
            events_offset=0,
            last_sequence=0,
            idempotency_key=idempotency.key if idempotency else None,
            request_hash=idempotency.request_hash if idempotency else None,
        )
        try:
            with self._database.transaction() as session:
                session.add(row)
                session.flush()
                JobEdit(session, row).move_to(JobState.QUEUED)
                if lay_out is not None:
                    lay_out()
                return Job.model_validate(row)
        except IntegrityError:
            earlier = self.repeated(kind, idempotency)
            if earlier is None:
                raise ConflictError(
                    f"{kind} {name!r} is being made already: wait for it or stop it"
                ) from None
            return earlier

    def repeated(self, kind: JobKind, idempotency: Idempotency | None) -> Job | None:
        """The job an earlier request with the same key made; refuses the key for another request."""
        if idempotency is None:
            return None
        with self._database.reading() as connection:
            query = select(JobRow).where(JobRow.kind == kind, JobRow.idempotency_key == idempotency.key)
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            if row.request_hash != idempotency.request_hash:
                raise IdempotencyMismatchError(
                    f"Idempotency-Key {idempotency.key!r} was used for another request: send a new key"
                )
            return _job(row)

    def get(self, job_id: str, kind: JobKind | None = None) -> Job:
        # A text that could not be an id may be one that the database cannot even be asked for.
        if re.fullmatch(ID_PATTERN, job_id) is None:
            raise NotFoundError(f"no {kind or 'job'} {job_id}")
        with self._database.reading() as connection:
            row = connection.execute(select(JobRow).where(JobRow.id == job_id)).one_or_none()
            if row is None or (kind is not None and row.kind != kind):
                raise NotFoundError(f"no {kind or 'job'} {job_id}")
            return _job(row)

    def newest_named(self, kind: JobKind, name: str) -> Job | None:
        query = (
            select(JobRow)
            .where(JobRow.kind == kind, JobRow.name == name)
            .order_by(JobRow.created_at.desc(), JobRow.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else _job(row)

    def page(
        self, kind: JobKind, *, states: Collection[JobState] = (), limit: int = 50, cursor: str | None = None
    ) -> JobPage:
        """Jobs of a kind, newest first. A cursor continues where the page that gave it ended."""
        rows, next_cursor = self._page(select(JobRow).where(JobRow.kind == kind), states, limit, cursor)
        return JobPage([_job(row) for row in rows], next_cursor)

    def heads(
        self, kind: JobKind, *, states: Collection[JobState] = (), limit: int = 50, cursor: str | None = None
    ) -> HeadPage:
        """The heads of the jobs that `page` gives."""
        columns = JobRow.id, JobRow.state, JobRow.created_at, JobRow.last_sequence
        rows, next_cursor = self._page(select(*columns).where(JobRow.kind == kind), states, limit, cursor)
        heads = [JobHead(row.id, JobState(row.state), row.created_at, row.last_sequence) for row in rows]
        return HeadPage(heads, next_cursor)

    def _page(
        self, query: Select[*tuple[Any, ...]], states: Collection[JobState], limit: int, cursor: str | None
    ) -> tuple[Sequence[Row[Any]], str | None]:
        if cursor is not None:
            created_at, _, job_id = cursor.partition("_")
            query = query.where(tuple_(JobRow.created_at, JobRow.id) < tuple_(created_at, job_id))
        if states:
            # The newest of each state, and of these the newest: no index gives several states in one order.
            of_each = (
                _newest(query.where(JobRow.state == state), JobRow, limit + 1).subquery()
                for state in sorted(set(states))
            )
            found = union_all(*(select(of_one) for of_one in of_each)).subquery()
            query = _newest(select(found), found.c, limit + 1)
        else:
            query = _newest(query, JobRow, limit + 1)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        more = len(rows) > limit
        rows = rows[:limit]
        return rows, f"{rows[-1].created_at}_{rows[-1].id}" if more else None

    def several(self, job_ids: Collection[str]) -> dict[str, Job]:
        """Those of the jobs that there are, by their ids."""
        if not job_ids:
            return {}
        with self._database.reading() as connection:
            rows = connection.execute(select(JobRow).where(JobRow.id.in_(job_ids)))
            return {row.id: _job(row) for row in rows}

    def active(self) -> list[Job]:
        """Every job that is not over, in the order they were queued."""
        query = (
            select(JobRow)
            .where(JobRow.state.in_([str(state) for state in ACTIVE]))
            .order_by(JobRow.queued_at, JobRow.id)
        )
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(query)]

    def queue(self, kind: JobKind) -> list[str]:
        """The ids of the jobs of a kind that wait, in their order."""
        query = (
            select(JobRow.id)
            .where(JobRow.state == JobState.QUEUED, JobRow.kind == kind)
            .order_by(JobRow.queued_at, JobRow.id)
        )
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def at_work(self, kind: JobKind) -> list[JobAtWork]:
        """The jobs of a kind that are neither over nor queued."""
        states = [str(state) for state in ACTIVE if state is not JobState.QUEUED]
        columns = JobRow.id, JobRow.name, JobRow.attempts, JobRow.progress
        query = select(*columns).where(JobRow.state.in_(states), JobRow.kind == kind)
        with self._database.reading() as connection:
            return [
                JobAtWork(row.id, row.name, len(row.attempts), row.progress)
                for row in connection.execute(query)
            ]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many jobs there are of each kind in each state."""
        query = select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
        with self._database.reading() as connection:
            return {(kind, state): count for kind, state, count in connection.execute(query)}

    @contextmanager
    def editing(self, job_id: str) -> Iterator[JobEdit]:
        """Changes one job and its history in one transaction, alone with the row."""
        with self._database.transaction() as session:
            row = session.get(JobRow, job_id, with_for_update=True)
            if row is None:
                raise NotFoundError(f"no job {job_id}")
            yield JobEdit(session, row)

    def delete(self, job_id: str) -> None:
        """Removes a job that is over, and its history."""
        with self.editing(job_id) as edit:
            edit.delete()

    def events_after(
        self, job_id: str, sequence: int, limit: int = 500, kinds: Collection[EventKind] = ()
    ) -> list[Event]:
        """The next events of a history; ask again from the last one's sequence until there are none.

        Those of some kinds, where any are named, are found without looking through the others.
        """
        query = select(EventRow).where(EventRow.job_id == job_id, EventRow.sequence > sequence)
        if kinds:
            # The next of each kind, and of these the next: no index gives several kinds in one order.
            of_each = (
                _next(query.where(EventRow.kind == kind), EventRow, limit).subquery()
                for kind in sorted(set(kinds))
            )
            found = union_all(*(select(of_one) for of_one in of_each)).subquery()
            query = _next(select(found), found.c, limit)
        else:
            query = _next(query, EventRow, limit)
        with self._database.reading() as connection:
            return [
                Event(sequence=row.sequence, kind=EventKind(row.kind), at=row.at, data=row.data)
                for row in connection.execute(query)
            ]


def _job(row: Row[Any]) -> Job:
    # As a dict: asking a row for one attribute after the other takes twice as long.
    return Job.model_validate(row._asdict())


def _next(query: Select[Any], columns: Any, limit: int) -> Select[Any]:
    return query.order_by(columns.sequence).limit(limit)


def _newest(query: Select[Any], columns: Any, limit: int) -> Select[Any]:
    return query.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)


def new_job_id() -> str:
    return str(uuid.uuid4())
