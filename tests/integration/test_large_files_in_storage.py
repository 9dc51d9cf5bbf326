"""TANDEM_STORAGE on a stack of its own: from photos to answers with all that is large in object storage."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_server import ObjectServer, object_server, without_settings

from pipeline.shards.manifest import Manifest
from service.client import Client
from service.domain.events import EventKind
from service.domain.state import JobState
from service.settings import Settings
from service.stack.free_port import free_port
from service.stack.up import Stack, local_stack

pytestmark = pytest.mark.cluster

LARGE = ("*.beton", "*.safetensors", "*.usearch", "thumbnails.bin", "photos.npz")
OPTIONS = ("--image-size", "72", "--shard-size", "100", "--name", "paints")
URL = "s3://photos/tandem"


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with object_server() as server:
        yield server


@pytest.fixture(scope="module")
def storing(server: ObjectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("storing")
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in without_settings() if name.startswith("TANDEM_")]:
            environment.delenv(name)
        environment.chdir(home)
        for name, value in server.environment.items():
            environment.setenv(name, value)
        settings = Settings(
            home=home,
            port=free_port(),
            storage=URL,
            cache=tmp_path_factory.mktemp("cache"),
            cache_bytes=2**30,
        )
        with local_stack(settings) as stack:
            yield stack


@pytest.fixture(scope="module")
def client(storing: Stack) -> Iterator[Client]:
    with Client(storing.url) as client:
        yield client


def tandem(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("tandem"), *map(str, arguments)]
    settings = without_settings() | environment
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False)


def large_files(folder: Path) -> list[Path]:
    return [path for pattern in LARGE for path in folder.rglob(pattern)]


def test_from_photos_to_answers_and_back_to_nothing(
    client: Client, storing: Stack, server: ObjectServer, photos: Path, tmp_path: Path
) -> None:
    home = storing.settings.home
    client.datasets.create(
        {"name": "paints", "source": {"path": str(photos)}, "image_size": 72, "shard_size": 100}
    )
    while not (found := client.datasets.get("paints")).state.is_terminal:
        time.sleep(0.3)
    assert found.state is JobState.SUCCEEDED, found.reason
    stored_as_here(home / "datasets" / "paints", server, photos, tmp_path)

    run_id = trained_with_a_stop(client, storing)
    run = client.runs.get(run_id)
    assert [checkpoint.step for checkpoint in run.checkpoints] == [235, 240]
    assert all(checkpoint.size_bytes > 10**6 for checkpoint in run.checkpoints)
    checkpoints = [key for key in server.object_keys() if key.startswith(f"tandem/runs/{run_id}.step-")]
    assert len(checkpoints) == 2 * 2, "older ones go, with their objects"

    assert client.models.publish("paints", run_id).version == 1
    photo = photos / "train" / "blue" / "000.jpg"
    answer = client.classify([photo], model="paints").predictions[0].top_k[0]
    assert answer.label == "blue"
    while not (index := client.models.index("paints", 1)).state.is_terminal:
        time.sleep(0.3)
    assert index.state is JobState.SUCCEEDED, index.reason
    assert len(client.similar([photo], model="paints", top_k=5).photos[0].nearest) == 5

    exported = tmp_path / "paints.pt"
    done = tandem(
        "export",
        "paints",
        "--format",
        "torchscript",
        "--out",
        exported,
        TANDEM_HOME=str(home),
        **server.environment,
    )
    assert done.returncode == 0, done.stderr
    assert "64 validation photos of dataset 'paints'" in done.stdout

    assert large_files(home) == []
    inspected(home / "datasets" / "paints", server, tmp_path / "elsewhere")

    client.runs.delete(run_id)
    client.models.remove_alias("paints", "production")
    client.models.remove_version("paints", 1)
    client.datasets.delete("paints")
    assert server.object_keys() == []
    assert [path.name for path in (home / "models").glob("*/[0-9]*")] == []


def stored_as_here(dataset: Path, server: ObjectServer, photos: Path, tmp_path: Path) -> None:
    """The shards in storage are those prepared without it, to the byte; the rest is at home as ever."""
    local = tmp_path / "paints"
    done = tandem("prepare", photos, "--out", local, *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert Manifest.load(dataset).checksum == Manifest.load(local).checksum
    shards = {path.name: path.read_bytes() for path in local.glob("*.beton")}
    assert len(shards) >= 3
    assert {Path(key).name: server.get(key) for key in server.object_keys()} == shards
    assert {path.name for path in dataset.iterdir()} == {
        path.name for path in local.iterdir() if path.suffix != ".beton"
    } | {"storage.json"}
    assert (dataset / "statistics.npz").read_bytes() == (local / "statistics.npz").read_bytes()


def trained_with_a_stop(client: Client, storing: Stack) -> str:
    """A run of two workers, stopped on its way and gone on with, from what is in storage."""
    run = client.runs.create(
        {
            "dataset": "paints",
            "seed": 3,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "epochs": 30, "global_batch_size": 32},
            "resources": {"num_workers": 2},
            "checkpoint": {"every_steps": 5, "keep": 2},
        }
    )
    for event in client.runs.events(run.id):
        assert event.kind is not EventKind.END, event.data
        if event.kind is EventKind.CHECKPOINT:
            break
    client.runs.stop(run.id)
    stopped_at = [event.id for event in client.runs.events(run.id) if event.id][-1]
    stopped = client.runs.get(run.id)
    assert stopped.state is JobState.STOPPED, stopped.reason
    assert json.loads((storing.settings.runs / run.id / "run.json").read_text())["storage"] == (
        f"{URL}/runs/{run.id}"
    )
    client.runs.resume(run.id)
    list(client.runs.events(run.id, last_event_id=stopped_at))
    ended = client.runs.get(run.id)
    assert ended.state is JobState.SUCCEEDED, ended.reason
    steps = [line["step"] for line in client.runs.metrics(run.id)]
    assert steps == sorted(set(steps)), "it went on where it was stopped"
    return run.id


def inspected(dataset: Path, server: ObjectServer, cache: Path) -> None:
    """A machine that has the folder and the credentials alone sees the whole dataset, and damage to it."""
    environment = {**server.environment, "TANDEM_CACHE": str(cache)}
    done = tandem("inspect", dataset, "--verify", "--json", **environment)
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout)["class_counts"]["train"].values()) == 256
    key = next(key for key in server.object_keys() if key.endswith("train-00000.beton"))
    whole = server.get(key)
    server.put(key, whole[:-1] + bytes([whole[-1] ^ 1]))
    done = tandem("inspect", dataset, "--verify", **environment)
    assert done.returncode == 3
    assert "train-00000.beton has checksum" in done.stderr
    server.put(key, whole)
