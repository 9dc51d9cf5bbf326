"""Runs as training leaves them, models published from them, and a real serving process over HTTP."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from model.snapshot import Snapshot
from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from pipeline.shards.statistics import Statistics
from service.cluster.serving import ServingClient
from service.domain.job import Job
from service.domain.job_folder import JobFolder, checkpoint_name, now
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun
from service.domain.spec import ModelSpec, RunSpec
from service.domain.state import JobState
from service.http.listener import listen
from service.operations.indexing import IndexOperations
from service.operations.models import ModelOperations
from service.serving.app import create_app
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import JobStore
from service.store.models import ModelStore

CLASSES = ("amber", "blue", "coral")
ANSWER_SECONDS = 60


def paint(seed: int = 0, form: str = "JPEG", size: tuple[int, int] = (120, 90)) -> bytes:
    """An image file of smooth random colours, different for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(file, form)
    return file.getvalue()


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Serves an application on a port of its own; yields its URL."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def photo() -> Callable[..., bytes]:
    return paint


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Path:
    """Three classes of four photos, prepared at the tiny network's size."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(12):
        path = root / CLASSES[number % 3] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(paint(number))
    folder = root.with_name("dataset")
    config = PrepareConfig(image_size=72, workers=1, val_fraction=0.25)
    for _ in prepare(SourceConfig(path=str(root)), folder, config, name="colours"):
        pass
    return folder


@pytest.fixture
def run(dataset: Path, tmp_path: Path) -> Job:
    """A run that has ended after two checkpoints, whose weights are as random as at its start."""
    return leave_run(tmp_path / "runs" / "run-1", dataset, seed=1)


@pytest.fixture
def other_run(dataset: Path, tmp_path: Path) -> Job:
    """A run like `run` whose weights are others."""
    return leave_run(tmp_path / "runs" / "run-2", dataset, seed=2)


def leave_run(folder: Path, dataset: Path, seed: int) -> Job:
    """What a run of two steps leaves: run.json and two checkpoints with different weights."""
    spec = RunSpec(dataset="colours", model=ModelSpec(preset="alexnet-tiny"), seed=seed)
    resolved = ResolvedRun(
        run_id=folder.name,
        spec=spec,
        model=ModelConfig.preset("alexnet-tiny", num_classes=len(CLASSES)),
        recipe=RecipeConfig.preset("quick", max_steps=2),
        dataset=DatasetPin(name="colours", path=str(dataset), checksum=Manifest.load(dataset).checksum),
        allocation=Allocation(num_workers=1, cpus_per_worker=1, gpus_per_worker=0, min_workers=1),
        versions={},
    )
    folder.parent.mkdir(exist_ok=True)
    job_folder = JobFolder(folder)
    job_folder.create(resolved.model_dump(mode="json"))
    mean_image = torch.from_numpy(Statistics.load(dataset).mean_image)
    for step in (1, 2):
        torch.manual_seed(seed * 10 + step)
        network = AlexNet(resolved.model, Placement.two("cpu", "cpu"))
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        trainer = Trainer(network, resolved.recipe, steps_per_epoch=2)
        trainer.load_state_dict(trainer.state_dict() | {"step": step})
        snapshot = Snapshot.of(network, trainer, mean_image, {"val_top1_error": 0.5 / step})
        snapshot.write(job_folder.checkpoints / checkpoint_name(step))
    return Job(
        id=folder.name,
        kind="run",
        name=None,
        state=JobState.SUCCEEDED,
        reason=None,
        failure=None,
        spec=spec.model_dump(mode="json"),
        folder=str(folder),
        progress={},
        attempts=[],
        stop_mode=None,
        stop_deadline=None,
        created_at=now(),
        finished_at=now(),
        progress_offset=0,
        events_offset=0,
        last_sequence=0,
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", max_upload_bytes=2**20)


@pytest.fixture
def serve() -> Callable[[FastAPI], AbstractContextManager[str]]:
    return listening


@pytest.fixture
def store(settings: Settings) -> ModelStore:
    settings.models.mkdir(parents=True, exist_ok=True)
    return ModelStore(settings.models)


@pytest.fixture
def serving_url(settings: Settings) -> Iterator[str]:
    """A serving process's URL; the process is a thread here, its HTTP is real."""
    with listening(create_app(settings)) as url:
        yield url


@pytest.fixture
def serving(serving_url: str) -> Iterator[ServingClient]:
    client = ServingClient(serving_url, request_seconds=30)
    yield client
    client.close()


@pytest.fixture
def jobs(settings: Settings) -> Iterator[JobStore]:
    """Rows that no reconciler looks at."""
    for folder in settings.folders:
        folder.mkdir(parents=True, exist_ok=True)
    with closing(Database(settings.resolved_database_url)) as database:
        yield JobStore(database)


@pytest.fixture
def indexes(settings: Settings, jobs: JobStore, store: ModelStore, dataset: Path) -> IndexOperations:
    (settings.datasets / "colours").symlink_to(dataset)
    return IndexOperations(settings, jobs, store)


@pytest.fixture
def models(
    settings: Settings, store: ModelStore, serving: ServingClient, indexes: IndexOperations
) -> ModelOperations:
    return ModelOperations(settings, store, serving, indexes)


@pytest.fixture
def post(serving_url: str) -> Iterator[Callable[..., httpx.Response]]:
    """Posts to the serving process: `post("/api/v1/classify", content=…)`."""
    with httpx.Client(base_url=serving_url, timeout=ANSWER_SECONDS) as client:
        yield client.post
