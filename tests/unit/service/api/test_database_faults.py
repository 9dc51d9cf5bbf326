"""A database that is locked or stopped is said so, and everything goes on when it is back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from service.client import Client
from service.client.events import RunEvent
from service.cluster.jobs import RayCluster
from service.domain.events import EventKind
from service.domain.job import Job
from service.domain.state import JobState
from service.errors import DatabaseUnavailableError
from service.operations.reconcile import Reconciler
from service.store.database import Database


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.02)


def running(server, head) -> Job:
    """A run that the server's own reconciler has given to Ray, and found at work."""
    job = server.queue_run()
    jobs = server.plane.jobs
    until(lambda: f"{job.id}-a1" in head.statuses)
    head.statuses[f"{job.id}-a1"] = "RUNNING"
    job.work.progress.write_text('{"at": "9999-01-01T00:00:00.000+00:00", "step": 1}\n')
    until(lambda: jobs.get(job.id).state is JobState.RUNNING)
    return jobs.get(job.id)


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "database_unavailable"
    assert "see that it runs" in answer.json()["detail"]
    assert "SELECT" not in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0


def test_while_another_program_locks_sqlite_reading_goes_on_and_changes_wait_for_it(
    live_server, head, tmp_path: Path
) -> None:
    file = tmp_path / "tandem.db"
    server = live_server(tmp_path / "home", f"sqlite:///{file}?timeout=0.1")
    with (
        httpx.Client(base_url=server.url, timeout=60) as http,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        closing(RayCluster(head.url)) as cluster,
    ):
        job = server.begin_run()
        head.statuses[f"{job.id}-a1"] = "SUCCEEDED"
        reconciler = Reconciler(server.plane.jobs, cluster, server.plane.models)
        other.execute("BEGIN EXCLUSIVE")
        with capture_logs() as logs:
            assert_unavailable(http.post(f"/api/v1/runs/{job.id}/stop"))
            assert http.get(f"/api/v1/runs/{job.id}").json()["state"] == "running"
            for _ in range(3):
                reconciler.reconcile()
            other.execute("ROLLBACK")
            reconciler.reconcile()
        told = {"database_unavailable", "database_is_back", "reconcile_failed"}
        assert [line["event"] for line in logs if line["event"] in told] == [
            "database_unavailable",
            "database_is_back",
        ]
        assert http.get(f"/api/v1/runs/{job.id}").json()["state"] == "succeeded"
        assert http.post(f"/api/v1/runs/{job.id}/stop").status_code == 200


def test_a_run_that_a_locked_database_refuses_leaves_no_folder(live_server, tmp_path: Path) -> None:
    file = tmp_path / "tandem.db"
    server = live_server(tmp_path / "home", f"sqlite:///{file}?timeout=0.1")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailableError):
            server.queue_run()
    assert list(server.settings.runs.iterdir()) == []


def test_postgresql_stops_and_starts_again_and_nothing_is_lost(
    live_server, head, own_postgres, tmp_path: Path
) -> None:
    server = live_server(tmp_path / "home", own_postgres.new_database(), ray_url=head.url)
    with httpx.Client(base_url=server.url, timeout=60) as http:
        job = running(server, head)
        waiting = [server.queue_run().id for _ in range(3)]
        until(lambda: http.get(f"/api/v1/runs/{waiting[2]}").json()["reason"])
        before = http.get("/api/v1/runs").json()
        with capture_logs() as logs:
            own_postgres.stop()
            for _ in range(3):
                assert_unavailable(http.get("/api/v1/runs"))
            assert_unavailable(http.post(f"/api/v1/runs/{job.id}/stop"))
            assert http.get("/healthz").status_code == 200
            ready = http.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]["ray"]) == (503, "ok")
            assert "see that it runs" in ready.json()["checks"]["database"]
            until(lambda: "database_unavailable" in [line["event"] for line in logs])
            head.statuses[f"{job.id}-a1"] = "SUCCEEDED"
            own_postgres.start()
            until(lambda: http.get(f"/api/v1/runs/{job.id}").json()["state"] == "succeeded")
        assert server.plane.reconciler.is_alive
        after = http.get("/api/v1/runs").json()
        assert [run["id"] for run in after["items"]] == [run["id"] for run in before["items"]]
        events = server.plane.jobs.events_after(job.id, 0)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))


def test_who_follows_a_run_over_an_outage_is_told_everything_once(
    live_server, head, own_postgres, tmp_path: Path
) -> None:
    server = live_server(tmp_path / "home", own_postgres.new_database(), ray_url=head.url)
    job = running(server, head)
    told: list[RunEvent] = []
    with Client(server.url) as client, ThreadPoolExecutor(1) as threads, capture_logs() as logs:
        following = threads.submit(lambda: told.extend(client.runs.events(job.id)))
        until(lambda: told or following.done())
        own_postgres.stop()
        until(lambda: "database_unavailable" in [line["event"] for line in logs])
        head.statuses[f"{job.id}-a1"] = "SUCCEEDED"
        own_postgres.start()
        following.result()
    history = server.plane.jobs.events_after(job.id, 0)
    assert [event.id for event in told if event.id] == [event.sequence for event in history]
    assert told[-1].kind is EventKind.END


def test_a_server_whose_database_is_not_there_says_so_when_it_starts(postgres) -> None:
    url = postgres.new_database()
    with pytest.raises(DatabaseUnavailableError, match="see that it runs"):
        Database(url.replace("/tandem_", "/absent_"))
