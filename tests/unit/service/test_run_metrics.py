"""The lines of a run's progress, as the API gives them."""

from __future__ import annotations

import json

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
