"""What cannot be done is refused at once, in one clear problem document, and leaves nothing half-made."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import Client
from service.stack.up import Stack

pytestmark = pytest.mark.cluster


def refused(stack: Stack, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = httpx.post(f"{stack.url}/api/v1{path}", json=body, timeout=30)
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "errors"} <= set(problem)
    return answer.status_code, problem


def fields(problem: dict[str, Any]) -> list[str]:
    return [error["field"] for error in problem["errors"]]


def test_unknown_dataset(stack: Stack) -> None:
    status, problem = refused(stack, "/runs", {"dataset": "absent"})
    assert (status, problem["code"]) == (404, "not_found")
    assert "absent" in problem["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": {"preset": "vgg"}}, "model.preset"),
        ({"recipe": {"preset": "secret"}}, "recipe.preset"),
        ({"model": {"preset": "alexnet-tiny", "actvation": "relu"}}, "model.actvation"),
        ({"recipe": {"preset": "quick", "learning_rate": "fast"}}, "recipe.learning_rate"),
        ({"resources": {"num_workerz": 2}}, "resources.num_workerz"),
        ({"dataset": "../../etc"}, "dataset"),
        ({"surprise": 1}, "surprise"),
        ({"recipe": {"preset": "quick", "global_batch_size": 1}, "resources": {"num_workers": 2}},
         "recipe.global_batch_size"),
    ],
)  # fmt: skip
def test_each_wrong_field_is_named(stack: Stack, dataset: str, change: dict[str, Any], field: str) -> None:
    spec = {"dataset": dataset, "model": {"preset": "alexnet-tiny"}, "recipe": {"preset": "quick"}}
    status, problem = refused(stack, "/runs", {**spec, **change})
    assert status == 422
    assert field in fields(problem)


def test_more_workers_than_the_cluster_has_says_what_there_is(
    stack: Stack, client: Client, dataset: str
) -> None:
    before = client.runs.list()
    spec = {"dataset": dataset, "model": {"preset": "alexnet-tiny"}, "recipe": {"preset": "quick"}}
    resources = {"num_workers": 64, "cpus_per_worker": 1}
    recipe = {"preset": "quick", "global_batch_size": 64}
    status, problem = refused(stack, "/runs", {**spec, "recipe": recipe, "resources": resources})
    assert (status, problem["code"]) == (422, "infeasible")
    assert problem["detail"].startswith("64 worker(s) of 1 CPU(s)")
    assert "CPUs" in problem["detail"]
    assert client.runs.list() == before


def test_gpus_the_cluster_does_not_have(stack: Stack, dataset: str) -> None:
    spec = {"dataset": dataset, "model": {"preset": "alexnet-tiny"}, "recipe": {"preset": "quick"}}
    status, problem = refused(
        stack,
        "/runs",
        {**spec, "resources": {"num_workers": 4, "accelerator": "gpu", "devices_per_worker": 2}},
    )
    assert (status, problem["code"]) == (422, "infeasible")
    assert "2 GPU(s) each" in problem["detail"]


def test_a_dataset_name_that_exists(stack: Stack, dataset: str, photos: Path) -> None:
    status, problem = refused(stack, "/datasets", {"name": dataset, "source": {"path": str(photos)}})
    assert (status, problem["code"]) == (409, "conflict")


def test_a_source_that_is_missing(stack: Stack) -> None:
    body = {"name": "nothing", "source": {"path": "/nowhere/at/all"}}
    status, problem = refused(stack, "/datasets", body)
    assert status == 422
    assert fields(problem) == ["source.path"]


def test_an_empty_source_fails_and_leaves_no_dataset(stack: Stack, client: Client, tmp_path: Path) -> None:
    client.datasets.create({"name": "hollow", "source": {"path": str(tmp_path)}, "val_fraction": 0.5})
    while not (found := client.datasets.get("hollow")).state.is_terminal:
        time.sleep(0.2)
    assert found.state == "failed"
    assert found.reason is not None
    assert "bad_source" in found.reason
    assert not (stack.settings.datasets / "hollow").exists()


def test_an_unknown_run(stack: Stack) -> None:
    answer = httpx.get(f"{stack.url}/api/v1/runs/00000000-0000-0000-0000-000000000000", timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_one_idempotency_key_makes_one_run_and_serves_one_body(stack: Stack, dataset: str) -> None:
    spec = {
        "dataset": dataset,
        "model": {"preset": "alexnet-tiny"},
        "recipe": {"preset": "quick", "max_steps": 1, "global_batch_size": 32},
    }
    with httpx.Client(
        base_url=f"{stack.url}/api/v1", headers={"Idempotency-Key": "once"}, timeout=30
    ) as http:
        first, again = http.post("/runs", json=spec), http.post("/runs", json=spec)
        assert first.status_code == again.status_code == 202
        assert first.json()["id"] == again.json()["id"]
        assert http.post("/runs", json={**spec, "seed": 1}).status_code == 422
        http.post(f"/runs/{first.json()['id']}/stop", json={"mode": "now"})


def test_a_taken_port_is_said_in_one_line(stack: Stack, tmp_path: Path) -> None:
    tandem = Path(sys.executable).with_name("tandem")
    command = [tandem, "up", "--port", str(stack.settings.port), "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
