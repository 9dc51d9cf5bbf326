"""The tables. Migrations in `migrations/` bring a database to this shape; a test holds the two together."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {dict[str, Any]: JSON, list[dict[str, Any]]: JSON, list[str]: JSON}


UNFINISHED_PREPARATION = text("kind = 'dataset' AND finished_at IS NULL")


class JobRow(Base):
    """A training run or the preparation of a dataset: a row before it is a job."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str | None] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None]
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    spec: Mapped[dict[str, Any]]
    folder: Mapped[str]
    progress: Mapped[dict[str, Any]]
    attempts: Mapped[list[dict[str, Any]]]
    stop_mode: Mapped[str | None] = mapped_column(String(16))
    stop_deadline: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[str] = mapped_column(String(40))
    queued_at: Mapped[str] = mapped_column(String(40))
    finished_at: Mapped[str | None] = mapped_column(String(40))
    progress_offset: Mapped[int] = mapped_column(default=0)
    events_offset: Mapped[int] = mapped_column(default=0)
    last_sequence: Mapped[int] = mapped_column(default=0)
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        UniqueConstraint("kind", "idempotency_key", name="one_job_per_idempotency_key"),
        Index("jobs_newest_first", "kind", "created_at", "id"),
        Index("jobs_newest_first_by_state", "kind", "state", "created_at", "id"),
        Index("jobs_by_state", "state"),
        Index(
            "one_preparation_at_a_time_per_name",
            "name",
            unique=True,
            sqlite_where=UNFINISHED_PREPARATION,
            postgresql_where=UNFINISHED_PREPARATION,
        ),
    )


class EventRow(Base):
    """One entry of a job's history, appended in the transaction that changes the job."""

    __tablename__ = "events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]]

    __table_args__ = (Index("events_of_a_kind", "job_id", "kind", "sequence"),)


class TokenRow(Base):
    """A bearer token, known only by its hash."""

    __tablename__ = "tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    scopes: Mapped[list[str]]
    created_at: Mapped[str] = mapped_column(String(40))
