"""One Idempotency-Key makes one run over REST, however many send it at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

RUN: dict[str, Any] = {
    "dataset": "photos",
    "model": {"preset": "alexnet-tiny"},
    "recipe": {"preset": "quick", "global_batch_size": 32},
}


@pytest.fixture
def api(live_server, head, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    server = live_server(tmp_path / "home", database_url, ray_url=head.url)
    server.add_dataset("photos")
    with httpx.Client(base_url=f"{server.url}/api/v1", timeout=60) as http:
        yield http


def ask_at_once(api: httpx.Client, keys: list[str], bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    """Every key with its body, from as many threads in the same moment."""
    gate = threading.Barrier(len(keys))

    def ask(key: str, body: dict[str, Any]) -> httpx.Response:
        gate.wait()
        return api.post("/runs", json=body, headers={"Idempotency-Key": key})

    with ThreadPoolExecutor(len(keys)) as threads:
        return list(threads.map(ask, keys, bodies))


def test_twenty_requests_at_once_with_one_key_are_all_answered_with_one_run(
    api: httpx.Client, tmp_path: Path
) -> None:
    answers = ask_at_once(api, ["once"] * 20, [RUN] * 20)
    assert {answer.status_code for answer in answers} == {202}
    (run_id,) = {answer.json()["id"] for answer in answers}
    assert {answer.headers["location"] for answer in answers} == {f"/api/v1/runs/{run_id}"}
    assert [run["id"] for run in api.get("/runs").json()["items"]] == [run_id]
    assert [folder.name for folder in (tmp_path / "home" / "runs").iterdir()] == [run_id]


def test_of_two_bodies_sent_at_once_with_one_key_one_is_refused_each_time(api: httpx.Client) -> None:
    answers = ask_at_once(api, ["once"] * 20, [RUN, {**RUN, "seed": 1}] * 10)
    of_each = [{answer.status_code for answer in answers[place::2]} for place in (0, 1)]
    assert sorted(map(tuple, of_each)) == [(202,), (422,)]
    refused = [answer.json()["code"] for answer in answers if answer.status_code == 422]
    assert refused == ["idempotency_mismatch"] * 10
    assert len(api.get("/runs").json()["items"]) == 1


def test_twenty_keys_at_once_make_twenty_runs(api: httpx.Client) -> None:
    answers = ask_at_once(api, [str(number) for number in range(20)], [RUN] * 20)
    made = {answer.json()["id"] for answer in answers}
    assert len(made) == 20
    assert {run["id"] for run in api.get("/runs").json()["items"]} == made
