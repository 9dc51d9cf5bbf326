"""Settings of the tests' own, and the real control plane on a free loopback port.

Ray does not answer it, or a stand-in does that keeps jobs as Ray's head does.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
import uvicorn

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from pipeline.shards.manifest import MANIFEST_FILE, Manifest
from service.api.app import create_app
from service.api.state import ControlPlane
from service.client import Client
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun
from service.domain.spec import RunSpec
from service.domain.state import JobState
from service.settings import Settings
from service.stack.free_port import free_port
from service.store.database import Database
from service.store.jobs import new_job_id

PASSWORD = "of-the-tests"
CHECKSUM = "0" * 32


class Postgres:
    """A PostgreSQL server from Debian's package, on a free port of loopback, with data of its own."""

    def __init__(self) -> None:
        newest = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        # It refuses to run as root; its package has made a user for it.
        owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._home = Path(tempfile.mkdtemp(prefix="tandem-postgres-"))
        (self._home / "password").write_text(PASSWORD)
        for path in (self._home, self._home / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        self._programs, self._owner, self._port = newest, owner, free_port()
        access = ["--username=tandem", "--auth=scram-sha-256", f"--pwfile={self._home / 'password'}"]
        self._run("initdb", *access, "--no-sync", "--encoding=UTF8")
        self.start()

    def start(self) -> None:
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self._port} -c unix_socket_directories='' -c fsync=off"
        )
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self._home / "log"), "start")

    def new_database(self, options: str = "") -> str:
        """The URL of an empty database."""
        name = f"tandem_{uuid.uuid4().hex}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {options}")  # type: ignore[arg-type]
        return self._address(name)

    def stop(self) -> None:
        """Ends it as a crash would: what was committed is found again when it starts."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._home)

    def _address(self, database: str) -> str:
        return f"postgresql://tandem:{PASSWORD}@127.0.0.1:{self._port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self._home / "data", *arguments]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._home,
            user=self._owner.pw_uid,
            group=self._owner.pw_gid,
        )


@contextmanager
def _postgres() -> Iterator[Postgres]:
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with _postgres() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """One that a test may stop."""
    with _postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tandem.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


class Head(ThreadingHTTPServer):
    """A head without a cluster: its jobs have the status that a test gives them."""

    def __init__(self) -> None:
        self.cpus = 2.0
        self.workers: list[dict[str, Any]] = []
        self.message = "Job entrypoint command failed with exit code -9"
        self.statuses: dict[str, str] = {}
        self.stopped: list[str] = []
        self.before_answering: dict[str, Callable[[], None]] = {}
        super().__init__(("127.0.0.1", 0), JobsApi)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class JobsApi(BaseHTTPRequestHandler):
    server: Head

    def do_GET(self) -> None:
        if self.path.startswith("/api/v0/nodes"):
            node = {"state": "ALIVE", "is_head_node": True, "resources_total": {"CPU": self.server.cpus}}
            nodes = [node, *self.server.workers]
            self._answer(200, {"data": {"result": {"result": nodes}}})
            return
        submission = self.path.removeprefix("/api/jobs/")
        self.server.before_answering.pop(submission, lambda: None)()
        status = self.server.statuses.get(submission)
        self._answer(200 if status else 404, {"status": status, "message": self.server.message})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/stop"):
            self.server.stopped.append(self.path.split("/")[3])
        else:
            self.server.statuses[json.loads(body)["submission_id"]] = "PENDING"
        self._answer(200, {})

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, code: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def head() -> Iterator[Head]:
    head = Head()
    thread = threading.Thread(target=head.serve_forever)
    thread.start()
    yield head
    head.shutdown()
    head.server_close()
    thread.join()


class LiveServer:
    """A server that can be stopped and started again at the same address, over the same home."""

    def __init__(
        self, home: Path, database_url: str, ray_url: str | None = None, serving_url: str | None = None
    ) -> None:
        dead = free_port()
        self.settings = Settings(
            home=home,
            database_url=database_url,
            port=free_port(),
            ray_url=ray_url or f"http://127.0.0.1:{dead}",
            serving_url=serving_url or f"http://127.0.0.1:{dead}",
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
            loop="asyncio",
            http="h11",
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

    def add_dataset(self, name: str) -> None:
        """A dataset for the tiny network, as far as the control plane looks at it: its manifest."""
        shard = {"file": "train-00000.beton", "num_samples": 640, "size_bytes": 1, "xxh3_128": CHECKSUM}
        split = {"num_samples": 640, "shards": [shard]}
        manifest = Manifest.model_validate(
            {
                "name": name,
                "created_at": "2026-01-01T00:00:00Z",
                "image_size": 72,
                "write_mode": "jpg",
                "jpeg_quality": 90,
                "seed": 0,
                "source": {"type": "folder", "location": name, "fingerprint": CHECKSUM},
                "classes": [{"index": index, "id": str(index), "name": str(index)} for index in range(2)],
                "splits": {"train": split, "val": split},
                "statistics": {"xxh3_128": CHECKSUM},
                "quarantined": 0,
                "tool_version": "0",
            }
        )
        folder = self.settings.datasets / name
        folder.mkdir()
        (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())

    def queue_run(self) -> Job:
        """A run of one worker with one CPU that waits for its first attempt."""
        # Lists are in the order of the milliseconds that runs were created in.
        time.sleep(0.002)
        run_id = new_job_id()
        folder = JobFolder(self.settings.runs / run_id)
        spec = RunSpec(dataset="photos")
        run = ResolvedRun(
            run_id=run_id,
            spec=spec,
            model=ModelConfig.preset("alexnet-tiny", num_classes=2),
            recipe=RecipeConfig.preset("quick"),
            dataset=DatasetPin(name="photos", path=str(self.settings.datasets / "photos"), checksum="0"),
            allocation=Allocation(num_workers=1, cpus_per_worker=1, gpus_per_worker=0, min_workers=1),
            versions={},
        )
        return self.plane.jobs.create(
            "run",
            name=None,
            spec=spec.model_dump(mode="json"),
            folder=folder.path,
            job_id=run_id,
            lay_out=lambda: folder.create(run.model_dump(mode="json")),
        )

    def begin_run(self) -> Job:
        """A run as if Ray had it. Without Ray, nothing else moves it."""
        job = self.queue_run()
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


@pytest.fixture(scope="session", autouse=True)
def log_events_on_stderr() -> None:
    """As in the product: what a server in this process logs is not what a command under test prints."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))


@pytest.fixture
def live_server() -> Iterator[Callable[..., LiveServer]]:
    """Starts servers that differ from `server`; they take what `LiveServer` takes."""
    with ExitStack() as running:

        def start(*arguments: Any, **options: Any) -> LiveServer:
            server = LiveServer(*arguments, **options)
            server.start()
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path / "home", database_url)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client
