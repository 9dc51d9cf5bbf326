"""`tandem backup`: copies of a real database that others write to meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.main import run
from service.domain.events import EventKind
from service.domain.job import Job
from service.store.database import Database
from service.store.jobs import JobStore, new_job_id


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TANDEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[JobStore]:
    database = Database(f"sqlite:///{home / 'tandem.db'}")
    yield JobStore(database)
    database.close()


def queued(store: JobStore) -> Job:
    job_id = new_job_id()
    return store.create("run", name=None, spec={}, folder=Path("runs") / job_id, job_id=job_id)


def test_a_copy_made_while_a_run_writes_is_the_database_of_one_moment(
    home: Path, store: JobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    job = queued(store)
    done = threading.Event()

    def write() -> None:
        step = 0
        while not done.is_set():
            with store.editing(job.id) as edit:
                edit.row.progress = {"step": step}
                edit.append(EventKind.PROGRESS, {"step": step})
            step += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            queued(store)
            assert run(["backup", "--out", str(home / f"{len(store.page('run').items)}.db")]) == 0
    finally:
        done.set()
        writer.join()
    assert capsys.readouterr().out.split() == [str(home / f"{count}.db") for count in (2, 3, 4)]
    for count in (2, 3, 4):
        copy = Database(f"sqlite:///{home / f'{count}.db'}")
        jobs = JobStore(copy)
        assert len(jobs.page("run").items) == count
        *_, last = jobs.events_after(job.id, 0, limit=1_000_000)
        assert last.data == (jobs.get(job.id).progress or {"state": "queued", "reason": None})
        copy.close()


def test_by_default_it_goes_into_the_home_under_the_hour_it_was_made(
    home: Path, store: JobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backup"]) == 0
    (made,) = (home / "backups").iterdir()
    assert capsys.readouterr().out.strip() == str(made)
    assert made.name.startswith("tandem-20")


def test_what_cannot_be_copied_is_said_in_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backup"]) == 1
    assert "set TANDEM_HOME" in capsys.readouterr().err
    home.mkdir()
    (home / "there.db").write_bytes(b"mine")
    (home / "tandem.db").write_bytes(b"")
    assert run(["backup", "--out", str(home / "there.db")]) == 1
    assert "choose another file" in capsys.readouterr().err
    assert (home / "there.db").read_bytes() == b"mine"
    (home / "tandem.db").write_bytes(b"not a database at all" * 100)
    assert run(["backup", "--out", str(home / "new.db")]) == 1
    assert not (home / "new.db").exists()
    monkeypatch.setenv("TANDEM_DATABASE_URL", "postgresql://127.0.0.1/tandem")
    assert run(["backup"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "use pg_dump" in error
