"""The lines of a run's progress, as the API gives them."""

from __future__ import annotations

import json

import httpx
import pytest

from service.client import Client


def test_steps_told_again_after_a_restart_come_once_and_a_torn_line_is_none(server, client: Client) -> None:
    job = server.begin_run()
    with job.work.progress.open("w") as progress:
        for step in (1, 2, 5, 9):
            progress.write(json.dumps({"step": step, "attempt": 1}) + "\n")
        progress.write('{"step": 10, "att\n')
        for step in (4, 7, 9, 12, 15):
            progress.write(json.dumps({"step": step, "attempt": 2}) + "\n")
        progress.write('{"step": 16')
    told = client.runs.metrics(job.id)
    assert [(line["step"], line["attempt"]) for line in told] == [
        *((step, 1) for step in (1, 2, 5, 9)),
        *((step, 2) for step in (12, 15)),
    ]
    pages = client.runs.metrics(job.id, limit=2)
    while page := client.runs.metrics(job.id, after=pages[-1]["step"], limit=2):
        pages += page
    assert pages == told


def test_a_page_begins_after_the_step_that_was_asked_for(server, client: Client) -> None:
    job = server.begin_run()
    job.work.progress.write_text("".join(json.dumps({"step": step}) + "\n" for step in (3, 6, 8)))
    assert [line["step"] for line in client.runs.metrics(job.id, after=4)] == [6, 8]


def test_points_are_spread_evenly_over_what_was_told_first(server, client: Client) -> None:
    job = server.begin_run()
    with job.work.progress.open("w") as progress:
        for step in range(10, 510, 10):
            progress.write(json.dumps({"step": step, "attempt": 1}) + "\n")
        progress.write('{"step": 510, "att\n')
        for step in range(400, 1010, 10):
            progress.write(json.dumps({"step": step, "attempt": 2}) + "\n")
        progress.write('{"step": 1010')
    # A hundred lines are told first, of which 11 are nine or ten lines apart.
    told = client.runs.curve(job.id, points=11)
    steps = [line["step"] for line in told]
    assert steps == [10 * (1 + place * 99 // 10) for place in range(11)]
    assert [line["attempt"] for line in told] == [1 if step <= 500 else 2 for step in steps]
    assert [line["step"] for line in client.runs.curve(job.id, points=2, after=55)] == [60, 1000]
    assert [line["step"] for line in client.runs.curve(job.id, points=1)] == [1000]
    whole = client.runs.metrics(job.id)
    assert client.runs.curve(job.id, points=100) == client.runs.curve(job.id, points=10_000) == whole
    assert client.runs.curve(job.id, points=5, after=1000) == []


def test_what_was_read_before_is_not_read_again_and_every_page_is_as_from_the_start(
    server, client: Client
) -> None:
    job = server.begin_run()
    steps = [*range(1, 9001), *range(6500, 12_001)]
    with job.work.progress.open("w") as progress:
        for step in steps:
            progress.write(json.dumps({"step": step, "padding": "x" * 100}) + "\n")
    assert [line["step"] for line in client.runs.metrics(job.id, limit=10_000)] == [*range(1, 10_001)]
    for after in (0, 1, 3000, 6499, 8999, 9000, 10_000, 11_990):
        told = [line["step"] for line in client.runs.metrics(job.id, after=after, limit=300)]
        assert told == [*range(after + 1, min(after + 300, 12_000) + 1)]
    assert [line["step"] for line in client.runs.curve(job.id, points=3, after=11_000)] == [
        11_001,
        11_500,
        12_000,
    ]
    with job.work.progress.open("r+b") as progress:
        # Whoever read this would find no step above it.
        progress.write(b'{"step": 999999}')
    assert [line["step"] for line in client.runs.metrics(job.id, after=11_998)] == [11_999, 12_000]


def test_a_restored_file_is_read_from_its_start(server, client: Client) -> None:
    job = server.begin_run()
    text = "".join(json.dumps({"step": step, "padding": "x" * 100}) + "\n" for step in range(1, 6001))
    job.work.progress.write_text(text)
    assert len(client.runs.metrics(job.id, limit=10_000)) == 6000
    restored = job.work.progress.with_name("restored")
    restored.write_text(json.dumps({"step": 7000}) + "\n" + text)
    restored.replace(job.work.progress)
    assert [line["step"] for line in client.runs.metrics(job.id, after=5990)] == [7000]


def test_a_line_that_is_no_json_is_passed_over(server, client: Client) -> None:
    job = server.begin_run()
    job.work.progress.write_bytes(b'{"step": 1}\n{"step": 2, \0\0}\n{"step": 3}\n')
    for told in (client.runs.metrics(job.id), client.runs.curve(job.id)):
        assert [line["step"] for line in told] == [1, 3]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_limit_and_points_exclude_each_other(server) -> None:
    job = server.begin_run()
    answer = httpx.get(f"{server.url}/api/v1/runs/{job.id}/metrics", params={"limit": 5, "points": 5})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_spec")
    assert [problem["field"] for problem in answer.json()["errors"]] == ["limit", "points"]
