"""`tandem runs`, `status`, `logs`, `stop` and `train` against the real control plane."""

from __future__ import annotations

import json
import threading

import pytest

from service.cli.main import run
from service.domain.events import EventKind
from service.domain.state import JobState


@pytest.fixture(autouse=True)
def address(server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_URL", server.url)


def test_runs_lists_the_newest_first(server, capsys: pytest.CaptureFixture[str]) -> None:
    older, newer = server.begin_run(), server.begin_run()
    assert run(["runs", "--json"]) == 0
    assert [item["id"] for item in json.loads(capsys.readouterr().out)["items"]] == [newer.id, older.id]
    assert run(["runs", "--limit", "1"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert row.split()[:3] == [newer.id, "running", "photos"]
    assert heading.split()[:3] == ["run", "state", "dataset"]


def test_status_shows_how_far_a_run_is(server, capsys: pytest.CaptureFixture[str]) -> None:
    job = server.begin_run()
    with server.plane.jobs.editing(job.id) as edit:
        edit.row.progress = {"epoch": 2, "step": 5, "total_steps": 9, "loss": 0.5, "val_top1_error": 0.25}
    assert run(["status", job.id]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["run"] == job.id
    assert shown["state"] == "running"
    assert shown["step"] == "5 of 9 (epoch 2)"
    assert shown["top-1"] == "75.0 %"


def test_logs_prints_the_last_lines_as_they_are(server, capsys: pytest.CaptureFixture[str]) -> None:
    job = server.begin_run()
    job.work.log.write_text("first\n[bold]second[/bold]\nthird " + "x" * 200 + "\n")
    assert run(["logs", job.id, "--tail", "2"]) == 0
    assert capsys.readouterr().out == "[bold]second[/bold]\nthird " + "x" * 200 + "\n"


def test_stop_asks_for_a_last_checkpoint_unless_told_not_to(server) -> None:
    job = server.begin_run()
    assert run(["stop", job.id]) == 0
    assert server.plane.jobs.get(job.id).stop_mode == "graceful"
    assert run(["stop", job.id, "--now"]) == 0
    assert server.plane.jobs.get(job.id).stop_mode == "now"


def test_an_unknown_run_is_bad_input_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("status", "logs", "stop"):
        assert run([command, "nowhere"]) == 3
        error = capsys.readouterr().err
        assert "nowhere" in error
        assert error.count("\n") == 1


def test_a_followed_run_that_fails_exits_1_with_its_reason(
    server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = server.begin_run()
    # The run is one that Ray already has, for there is no Ray here to start another.
    monkeypatch.setattr("service.client.runs.Runs.create", lambda runs, *_: runs.get(job.id))

    def fail() -> None:
        with server.plane.jobs.editing(job.id) as edit:
            edit.append(EventKind.CHECKPOINT, {"name": "step-00000003", "epoch": 1, "step": 3})
            edit.move_to(JobState.FAILED, "diverged: the loss is no number")

    failing = threading.Timer(0.3, fail)
    failing.start()
    assert run(["train", "--dataset", "photos", "--follow"]) == 1
    failing.join()
    printed = capsys.readouterr()
    assert printed.out.strip() == job.id
    lines = printed.err.splitlines()
    assert "checkpoint step-00000003" in lines
    assert lines[-1].startswith(f"tandem: run {job.id} failed: diverged")
