"""Publishing, aliases and classification through the control plane, with a serving process behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from model.classifier import Classifier
from model.published import WEIGHTS_FILE, sha256_of
from service.api.app import create_app
from service.api.state import ControlPlane
from service.client import ApiError, Client
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.state import JobState
from service.settings import Settings
from service.store.models import ModelStore

Serve = Callable[[FastAPI], AbstractContextManager[str]]
NOWHERE = "http://127.0.0.1:9"


def register(plane: ControlPlane, run: Job) -> str:
    """Makes the control plane know a run that has ended."""
    job = plane.jobs.create("run", name=None, spec=run.spec, folder=Path(run.folder), job_id=run.id)
    with plane.jobs.editing(job.id) as edit:
        edit.move_to(run.state)
    return job.id


@pytest.fixture
def control_plane(settings: Settings, serving_url: str) -> FastAPI:
    return create_app(settings.model_copy(update={"serving_url": serving_url, "ray_url": NOWHERE}))


@pytest.fixture
def api(control_plane: FastAPI, serve: Serve) -> Iterator[httpx.Client]:
    with serve(control_plane) as url, httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        yield client


@pytest.fixture
def run_id(control_plane: FastAPI, run: Job) -> str:
    return register(control_plane.state.control_plane, run)


def test_a_run_is_published_and_classifies_through_the_control_plane(
    api: httpx.Client, run_id: str, store: ModelStore, photo: Callable[..., bytes]
) -> None:
    made = api.post("/models/colours/versions", json={"run_id": run_id})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/api/v1/models/colours"
    assert {key: made.json()[key] for key in ("name", "version", "run_id", "step")} == {
        "name": "colours",
        "version": 1,
        "run_id": run_id,
        "step": 2,
    }

    classifier = Classifier.load(store.folder("colours", 1))
    expected = classifier.classify(photo(4), top_k=2, views=10)
    for path in ("/classify", "/models/colours/classify", "/models/colours/versions/1/classify"):
        answer = api.post(path, files={"file": photo(4)}, params={"top_k": 2, "views": 10})
        assert answer.status_code == 200, answer.text
        (prediction,) = answer.json()["predictions"]
        assert [entry["label"] for entry in prediction["top_k"]] == [entry.label for entry in expected]
        assert [entry["probability"] for entry in prediction["top_k"]] == pytest.approx(
            [entry.probability for entry in expected], abs=1e-5
        )


def test_models_are_listed_with_versions_and_aliases(
    api: httpx.Client, run_id: str, store: ModelStore
) -> None:
    assert api.get("/models").json() == {"items": []}
    first = api.post("/models/colours/versions", json={"run_id": run_id}).json()
    chosen = {"run_id": run_id, "checkpoint": "step-00000001", "alias": None}
    second = api.post("/models/colours/versions", json=chosen).json()
    listed = {"name": "colours", "versions": [first, second], "aliases": {"production": 1}}
    assert api.get("/models").json() == {"items": [listed]}
    assert api.get("/models/colours").json() == listed
    assert (first["metrics"], second["metrics"]) == ({"val_top1_error": 0.25}, {"val_top1_error": 0.5})
    for version in (first, second):
        weights = store.folder("colours", version["version"]) / WEIGHTS_FILE
        assert version["weights_sha256"] == sha256_of(weights)


def test_an_alias_moves_is_followed_and_goes(
    api: httpx.Client, run_id: str, photo: Callable[..., bytes]
) -> None:
    for _ in range(2):
        api.post("/models/colours/versions", json={"run_id": run_id})
    assert api.post("/classify", content=photo()).json()["version"] == 2
    moved = api.put("/models/colours/aliases/production", json={"version": 1})
    assert (moved.status_code, moved.json()["aliases"]) == (200, {"production": 1})
    assert api.post("/classify", content=photo()).json()["version"] == 1
    assert api.delete("/models/colours/aliases/production").status_code == 204
    assert api.delete("/models/colours/aliases/production").status_code == 404
    assert api.post("/classify", content=photo()).status_code == 404


def test_a_version_that_no_alias_means_can_be_removed(
    api: httpx.Client, control_plane: FastAPI, run_id: str, run: Job, tmp_path: Path
) -> None:
    for _ in range(2):
        api.post("/models/colours/versions", json={"run_id": run_id})
    assert api.delete("/models/colours/versions/2").json()["code"] == "conflict"
    starting = begin_from(control_plane.state.control_plane, tmp_path / "runs" / "next", run, version=1)
    refused = api.delete("/models/colours/versions/1")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert starting in refused.json()["detail"]
    with control_plane.state.control_plane.jobs.editing(starting) as edit:
        edit.move_to(JobState.STOPPED)
    assert api.delete("/models/colours/versions/1").status_code == 204
    assert [each["version"] for each in api.get("/models/colours").json()["versions"]] == [2]
    assert api.delete("/models/colours/versions/1").status_code == 404
    assert api.post("/models/colours/versions", json={"run_id": run_id}).json()["version"] == 3


def test_the_client_moves_aliases_removes_versions_and_asks_for_indexes(
    api: httpx.Client, run_id: str
) -> None:
    with Client(str(api.base_url.copy_with(path="/"))) as client:
        for _ in range(2):
            client.models.publish("colours", run_id)
        # The dataset that it was trained on is not in this home.
        for ask, status in (
            (client.models.index, 404),
            (client.models.build_index, 409),
            (client.models.remove_index, 404),
        ):
            with pytest.raises(ApiError, match="colours") as refused:
                ask("colours", 1)
            assert refused.value.status == status
        assert client.models.set_alias("colours", "trial", 1).aliases == {"production": 2, "trial": 1}
        client.models.remove_alias("colours", "trial")
        client.models.remove_version("colours", 1)
        assert [each.version for each in client.models.get("colours").versions] == [2]


def begin_from(plane: ControlPlane, folder: Path, like: Job, version: int) -> str:
    """A queued run that is to start from a version of the model."""
    pin = {"name": "colours", "version": version, "path": "", "weights_sha256": ""}
    resolved = json.loads(like.work.specification.read_bytes()) | {"start": pin}
    spec = like.spec | {"start_from": {"model": "colours", "version": str(version)}}
    job_folder = JobFolder(folder)
    return plane.jobs.create(
        "run",
        name=None,
        spec=spec,
        folder=folder,
        job_id="next",
        lay_out=lambda: job_folder.create(resolved),
    ).id


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "run_id"),
        ({"run_id": "RUN", "chekpoint": "step-00000001"}, 422, "chekpoint"),
        ({"run_id": "RUN", "alias": "../up"}, 422, "alias"),
        ({"run_id": "RUN", "alias": "12"}, 422, "alias"),
        ({"run_id": "RUN", "checkpoint": "step-00000009"}, 404, None),
        ({"run_id": "another"}, 404, None),
    ],
)
def test_what_cannot_be_published_is_refused_and_leaves_no_model(
    api: httpx.Client, run_id: str, body: dict[str, str], status: int, field: str | None
) -> None:
    body = {key: run_id if value == "RUN" else value for key, value in body.items()}
    response = api.post("/models/colours/versions", json=body)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert [entry["field"] for entry in response.json()["errors"]] == ([field] if field else [])
    assert api.get("/models").json() == {"items": []}


def test_a_truncated_checkpoint_is_refused_and_leaves_no_model(
    api: httpx.Client, run_id: str, run: Job, settings: Settings
) -> None:
    weights = run.work.checkpoints / "step-00000002" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    response = api.post("/models/colours/versions", json={"run_id": run_id})
    assert (response.status_code, response.json()["code"]) == (422, "unfit_checkpoint")
    assert list(settings.models.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"a letter", 415), (b"\xff\xd8\xff" + b"\0" * 99, 422), (b"\xff\xd8\xff" * 2**20, 413)],
)
def test_refusals_come_through_as_they_are(api: httpx.Client, run_id: str, body: bytes, status: int) -> None:
    api.post("/models/colours/versions", json={"run_id": run_id})
    response = api.post("/classify", content=body)
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"


def test_without_a_serving_process_it_says_so_and_stays_up(
    settings: Settings, serve: Serve, photo: Callable[..., bytes]
) -> None:
    app = create_app(settings.model_copy(update={"serving_url": NOWHERE, "ray_url": NOWHERE}))
    with serve(app) as url:
        response = httpx.post(f"{url}/api/v1/classify", content=photo(), timeout=60)
        assert (response.status_code, response.json()["code"]) == (503, "serving_unreachable")
        assert int(response.headers["retry-after"]) >= 1
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_classifying_and_publishing_need_their_own_scopes(
    control_plane: FastAPI, api: httpx.Client, run_id: str, photo: Callable[..., bytes]
) -> None:
    tokens = control_plane.state.control_plane.tokens
    bearer = {
        scope: {"Authorization": f"Bearer {tokens.create(scope, [scope])}"} for scope in ("predict", "write")
    }
    publish = {"url": "/models/colours/versions", "json": {"run_id": run_id}}
    assert api.post(**publish).status_code == 401
    assert api.post(**publish, headers=bearer["predict"]).status_code == 403
    assert api.post(**publish, headers=bearer["write"]).status_code == 201
    assert api.post("/classify", content=photo(), headers=bearer["write"]).status_code == 403
    assert api.post("/classify", content=photo(), headers=bearer["predict"]).status_code == 200


def test_embeddings_come_through_the_control_plane(
    api: httpx.Client, run_id: str, store: ModelStore, photo: Callable[..., bytes]
) -> None:
    api.post("/models/colours/versions", json={"run_id": run_id})
    expected = Classifier.load(store.folder("colours", 1)).embed(photo(4))
    for path in ("/embed", "/models/colours/embed", "/models/colours/versions/1/embed"):
        answer = api.post(path, content=photo(4)).json()
        assert answer["embeddings"] == [pytest.approx(expected.tolist(), abs=1e-4)]
        assert (answer["model"], answer["version"]) == ("colours", 1)


def test_the_api_document_tells_how_photos_are_sent(api: httpx.Client) -> None:
    document = httpx.get(f"{api.base_url.copy_with(path='/openapi.json')}").json()
    for path in ("/classify", "/models/{name}/classify", "/models/{name}/versions/{version}/classify"):
        route = document["paths"][f"/api/v1{path}"]["post"]
        assert set(route["requestBody"]["content"]) == {"multipart/form-data", "image/*", "application/json"}
        assert {parameter["name"] for parameter in route["parameters"]} >= {"top_k", "views"}
