"""Processes that answer over HTTP, started until they do and ended again: those of `bench_api.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import psutil

from service.stack.free_port import free_port

CONTENDERS: Final = Path(__file__).parent / "api_contenders"
# Nobody listens there: a control plane that is measured alone finds neither Ray nor serving.
NOWHERE: Final = "http://127.0.0.1:9"

_PATIENCE_SECONDS: Final = 120.0
_GRACE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.005
_LAST_WORDS: Final = 2000


class Server(NamedTuple):
    """A process that answers at `url`, and how long that took it."""

    url: str
    pid: int
    start_seconds: float


@contextmanager
def control_plane(home: Path, ray_url: str = NOWHERE) -> Iterator[Server]:
    """`tandem api` over a home, from when it answers."""
    settings = {"TANDEM_HOME": str(home), "TANDEM_RAY_URL": ray_url, "TANDEM_SERVING_URL": NOWHERE}
    tandem = str(Path(sys.executable).with_name("tandem"))
    port = free_port()
    with serving([tandem, "api", "--port", str(port)], port, "/healthz", settings) as server:
        yield server


@contextmanager
def empty_route() -> Iterator[Server]:
    port = free_port()
    with serving(script("empty_route", port), port, "/empty") as server:
        yield server


@contextmanager
def ray_stand_in(submission_id: str, folder: Path) -> Iterator[Server]:
    port = free_port()
    command = script("ray_stand_in", port, submission_id, folder)
    with serving(command, port, "/api/v0/nodes") as server:
        yield server


def script(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(CONTENDERS / f"{name}.py"), *map(str, arguments)]


@contextmanager
def serving(
    command: list[str], port: int, path: str, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A command, from when it answers at a path; it ends with the block, and so does all it has started."""
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=os.environ | dict(settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            while not _answers(url + path):
                if process.poll() is not None or time.perf_counter() - began > _PATIENCE_SECONDS:
                    log.seek(0)
                    words = log.read().decode(errors="replace")[-_LAST_WORDS:]
                    raise SystemExit(f"{' '.join(command[:3])} does not answer: {words}")
                time.sleep(_LOOK_SECONDS)
            yield Server(url, process.pid, time.perf_counter() - began)
        finally:
            _end(process)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    started: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Some of the servers leave the ending of their workers to the terminal.
    for each in started:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(started, _GRACE_SECONDS)
