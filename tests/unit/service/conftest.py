"""Settings of the tests' own, and the real control plane on a free loopback port, without a Ray head."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from service.api.app import create_app
from service.api.state import ControlPlane
from service.client import Client
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.spec import RunSpec
from service.domain.state import JobState
from service.settings import Settings
from service.store.jobs import new_job_id


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LiveServer:
    """A server that can be stopped and started again at the same address, over the same home."""

    def __init__(self, home: Path) -> None:
        dead = free_port()
        self.settings = Settings(
            home=home,
            port=free_port(),
            ray_url=f"http://127.0.0.1:{dead}",
            serving_url=f"http://127.0.0.1:{dead}",
        )

    @property
    def url(self) -> str:
        return self.settings.api_url

    @property
    def plane(self) -> ControlPlane:
        plane: ControlPlane = self._app.state.control_plane
        return plane

    def start(self) -> None:
        self._app = create_app(self.settings)
        config = uvicorn.Config(
            self._app,
            host=self.settings.host,
            port=self.settings.port,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def begin_run(self) -> Job:
        """A run as if Ray had it: a row, a folder, and two events. Without Ray, nothing else moves it."""
        run_id = new_job_id()
        folder = JobFolder(self.settings.runs / run_id)
        spec = RunSpec(dataset="photos").model_dump(mode="json")
        folder.create(spec)
        job = self.plane.jobs.create("run", name=None, spec=spec, folder=folder.path, job_id=run_id)
        with self.plane.jobs.editing(job.id) as edit:
            edit.begin_attempt()
            edit.move_to(JobState.RUNNING)
        return job


@pytest.fixture(autouse=True)
def no_settings_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment's settings nor those of a .env file where the tests were started."""
    for name in os.environ:
        if name.startswith("TANDEM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path / "home")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client
