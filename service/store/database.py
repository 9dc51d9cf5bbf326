"""The database: SQLite in WAL mode by default, anything SQLAlchemy speaks by URL, migrated when opened.

`sqlite:///file?timeout=5` waits 5 seconds for whoever holds it locked, instead of `SQLITE_BUSY_SECONDS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import alembic.command
import alembic.config
from pydantic_core import from_json
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError
from sqlalchemy.orm import Session

from service.errors import DatabaseUnavailableError

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE_BUSY_SECONDS = 30
POSTGRES_OPTIONS: Final = {
    # Some hosts that are gone do not even refuse.
    "connect_timeout": 5,
    # On a connection that is open, Linux sends to them for a quarter of an hour before it says so,
    "tcp_user_timeout": 10_000,
    # and waits for an answer for ever: it is to ask whether they are there.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    # A cluster laid out without a locale tells no encoding.
    "client_encoding": "utf8",
}


class Database:
    """A migrated database. Thread-safe: every transaction takes a connection of its own.

    All of it raises `DatabaseUnavailableError` while the database cannot be reached, or stays locked.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(parsed)
        self._reader = self.engine.execution_options(reading=True)
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises."""
        with _faults_named(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For reading alone: on SQLite it neither waits for a writer nor holds one up.

        A connection and not a session, for rows that are not to be changed cost half as much without one.
        """
        with _faults_named(), self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    def _migrate(self) -> None:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with _faults_named(), self.engine.begin() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")


@contextmanager
def _faults_named() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, NoConnectionFreeError) as error:
        raise DatabaseUnavailableError(
            f"the database does not answer ({_said(error)}): ask again in a moment; if that lasts, see"
            " that it runs, and that no other program holds it locked"
        ) from error


def _said(error: SQLAlchemyError) -> str:
    """What the driver says, in one line: SQLAlchemy adds the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).partition("\n")[0]


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        given = {name: value for name, value in POSTGRES_OPTIONS.items() if name not in url.query}
        return create_engine(url, pool_pre_ping=True, json_deserializer=from_json, connect_args=given)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, json_deserializer=from_json)
    patience = {} if "timeout" in url.query else {"timeout": SQLITE_BUSY_SECONDS}
    engine = create_engine(url, connect_args=patience, json_deserializer=from_json)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transactions begin too late (at the first write); ours begin below.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads before it writes must hold the lock from the start, or the write can
        # fail with "database is locked" whatever the time-out.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
