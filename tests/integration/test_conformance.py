"""The API keeps to its own document: of thousands of requests made from it, apt and absurd, none finds an
answer that it does not describe."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from pydantic import SecretStr

from service.client import Client
from service.domain.state import JobState
from service.settings import Settings
from service.stack.free_port import free_port
from service.stack.processes import Child, Command
from service.stack.up import Stack
from service.store.database import Database
from service.store.jobs import JobStore

pytestmark = pytest.mark.cluster

TOKEN = "of-the-conformance-test"
CASES = 5000

# Jobs that are over, for requests to find: most cannot be resumed, so that few go to Ray again.
RUNS = {
    str(uuid.UUID(int=number)): state
    for number, state in enumerate(
        [JobState.SUCCEEDED] * 24 + [JobState.STOPPED, JobState.FAILED, JobState.INTERRUPTED]
    )
}
DATASETS = [f"paints-{number}" for number in range(12)]

SPEC = {
    "dataset": "paints",
    "model": {"preset": "alexnet-tiny"},
    "recipe": {"preset": "quick", "max_steps": 2, "global_batch_size": 32},
}

CONFIG = f"""
seed = 2012
continue-on-failure = true
# One: CPython 3.11 cannot parse source in two threads at once, which schemathesis' generators do.
workers = 1
request-timeout = 60
# A run that is resumed has more of them, and then its stream stays open.
max-stream-events = 4

[auth.openapi.token]
bearer = "{TOKEN}"

[generation]
max-examples = 110
database = "none"
no-shrink = true
# Requests without the token are made all the same, by the check `ignored_auth`.
with-security-parameters = false

[dictionaries]
runs.values = {json.dumps(list(RUNS))}
names.values = {json.dumps(["paints", *DATASETS])}
networks.values = ["alexnet-tiny"]
recipes.values = ["quick"]

[parameters]
"path.run_id" = {{ dictionary = "runs", probability = 0.6 }}
"path.name" = {{ dictionary = "names", probability = 0.6 }}
"body.run_id" = {{ dictionary = "runs", probability = 0.6 }}
"body.dataset" = {{ dictionary = "names", probability = 0.6 }}
"body.model.preset" = {{ dictionary = "networks", probability = 0.6 }}
"body.recipe.preset" = {{ dictionary = "recipes", probability = 0.6 }}

# No schema says which bytes are a photo (415, 422). That a model is not indexed may be told first (409). That
# too many photos are refused with a 413 is right, and
# missing from what schemathesis takes for a refusal.
[[operations]]
include-tag = ["photos", "open inference protocol"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "415", "422"]
checks.negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "409", "413", "415", "422"]

# No schema holds one field against another (`window_bytes` is at least `block_bytes`; `limit` or `points`),
# nor against a dataset or the cluster.
[[operations]]
include-operation-id = ["create_run", "create_dataset", "run_metrics"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"""


@pytest.fixture(scope="module")
def settings(stack: Stack, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of its own, on the Ray of the shared stack: what is deleted here is missed by no other test."""
    return stack.settings.model_copy(
        update={
            "home": tmp_path_factory.mktemp("conformance"),
            "port": free_port(),
            "serving_url": f"http://127.0.0.1:{free_port()}",
            "token": SecretStr(TOKEN),
            "source_roots": (str(photos),),
        }
    )


@pytest.fixture(scope="module")
def api(settings: Settings, photos: Path) -> Iterator[str]:
    """The URL of an API that has trained, published, and been started again with a past."""
    serving = str(httpx.URL(settings.serving_url).port)
    with ExitStack() as ending:
        serve = _start(settings, "serving", "serve", "--host", "127.0.0.1", "--port", serving)
        ending.callback(serve.end)
        api = _start(settings, "api", "api")
        ending.callback(api.end)
        client = ending.enter_context(Client(settings.api_url, token=TOKEN))
        _wait_until_ready(settings, serve, api)
        _train(client, photos)
        api.end()
        _multiply(settings)
        api.restart()
        _wait_until_ready(settings, serve, api)
        yield settings.api_url
        _stop_all(client)


def test_what_is_begun_and_stopped_is_answered_as_the_document_says(api: str, photos: Path) -> None:
    """Chance does not find a run that fits a dataset, nor a folder of photos."""
    document = schemathesis.openapi.from_url(f"{api}/openapi.json")

    def post(path: str, body: dict[str, Any] | None = None, **names: str) -> requests.Response:
        sent = {} if body is None else {"body": body}
        case = document[f"/api/v1{path}"]["POST"].Case(path_parameters=names, **sent)
        return case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)

    run = post("/runs", SPEC)
    assert run.status_code == 202
    stopped = post("/runs/{run_id}/stop", {"mode": "now"}, run_id=run.json()["id"])
    assert stopped.status_code == 202

    source = {"path": str(photos)}
    assert post("/datasets", {"name": "begun", "source": source, "image_size": 72}).status_code == 202
    assert post("/datasets/{name}/stop", name="begun").status_code == 202


@pytest.mark.timeout(1800)
def test_whatever_is_asked_the_answer_is_one_that_the_document_describes(api: str, tmp_path: Path) -> None:
    config, report = tmp_path / "schemathesis.toml", tmp_path / "report.json"
    config.write_text(CONFIG)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            config,
            "run",
            f"{api}/openapi.json",
            "--no-color",
            "--report-json-path",
            report,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(report.read_text())
    assert (found["failures"], found["errors"]) == ([], []), done.stdout
    assert done.returncode == 0, done.stdout
    assert found["operations"]["tested"] == found["operations"]["total"]
    assert found["test_cases"]["generated"] >= CASES


def _start(settings: Settings, name: str, *arguments: str) -> Child:
    assert settings.ray_token is not None
    environment = {
        "TANDEM_HOME": str(settings.home),
        "TANDEM_PORT": str(settings.port),
        "TANDEM_RAY_URL": settings.ray_url,
        "TANDEM_RAY_TOKEN": settings.ray_token.get_secret_value(),
        "TANDEM_SERVING_URL": settings.serving_url,
        "TANDEM_SOURCE_ROOTS": ":".join(settings.source_roots),
        "TANDEM_TOKEN": TOKEN,
    }
    tandem = str(Path(sys.executable).with_name("tandem"))
    return Child(Command(name, [tandem, *arguments], environment, settings.logs / f"{name}.log"))


def _wait_until_ready(settings: Settings, *children: Child) -> None:
    while not _is_ready(settings):
        for child in children:
            assert child.is_alive, child.last_words()
        time.sleep(0.3)


def _is_ready(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.api_url}/readyz", timeout=30).is_success
    except httpx.TransportError:
        return False


def _train(client: Client, photos: Path) -> None:
    """A dataset, a run on it, and a model of that run, each of them called `paints`."""
    spec = {"name": "paints", "source": {"path": str(photos)}, "image_size": 72, "shard_size": 100}
    client.datasets.create(spec)
    while not (dataset := client.datasets.get("paints")).state.is_terminal:
        time.sleep(0.3)
    assert dataset.manifest is not None, dataset.reason
    run = client.runs.create({**SPEC, "publish": {"model": "paints"}})
    while not (found := client.runs.get(run.id)).state.is_terminal:
        time.sleep(0.3)
    assert (found.state, found.reason) == (JobState.SUCCEEDED, None)


def _multiply(settings: Settings) -> None:
    """Copies of the run, over in every way in which one can be, and of the dataset, while no API looks."""
    database = Database(settings.resolved_database_url)
    jobs = JobStore(database)
    (trained,) = jobs.page("run").items
    prepared = jobs.newest_named("dataset", "paints")
    assert prepared is not None
    for run_id, state in RUNS.items():
        folder = settings.runs / run_id
        shutil.copytree(trained.folder, folder)
        jobs.create("run", name=None, spec=trained.spec, folder=folder, job_id=run_id)
        _end(jobs, run_id, state)
    for name in DATASETS:
        shutil.copytree(settings.datasets / "paints", settings.datasets / name)
        job_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        jobs.create("dataset", name=name, spec=prepared.spec, folder=Path(prepared.folder), job_id=job_id)
        _end(jobs, job_id, JobState.SUCCEEDED)
    database.close()


def _end(jobs: JobStore, job_id: str, state: JobState) -> None:
    with jobs.editing(job_id) as edit:
        edit.begin_attempt()
        edit.move_to(JobState.STARTING)
        edit.move_to(state)


def _stop_all(client: Client) -> None:
    """Leaves Ray to the tests that come after."""
    for dataset in client.datasets.list():
        if not dataset.state.is_terminal:
            client.datasets.stop(dataset.name)
    for run in client.runs.list(limit=1000):
        if not run.state.is_terminal:
            client.runs.stop(run.id, mode="now")
    while any(not job.state.is_terminal for job in (*client.datasets.list(), *client.runs.list(limit=1000))):
        time.sleep(0.3)
