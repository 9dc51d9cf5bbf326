"""The API, asked to end, waits for the answers that it has asked serving for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from lone_api import lone_api

from service.domain.job import Job
from service.operations.models import ModelOperations
from service.settings import Settings
from service.stack.free_port import free_port

# Longer than is usual to wait for a server to end, and far less than an answer may take.
BUSY_SECONDS = 8.0
SECONDS = 60


@pytest.fixture
def server(
    settings: Settings, models: ModelOperations, run: Job, tmp_path: Path
) -> Iterator[tuple[int, str]]:
    """A serving process with a published model: its number and its URL."""
    models.publish("colours", run)
    port = free_port()
    tandem = str(Path(sys.executable).with_name("tandem"))
    with (tmp_path / "serving.log").open("wb") as log:
        process = subprocess.Popen(
            [tandem, "serve", "--home", str(settings.home), "--port", str(port)], stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    while not is_ready(url):
        assert process.poll() is None, (tmp_path / "serving.log").read_text()
        time.sleep(0.1)
    yield process.pid, url
    process.kill()
    process.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False


def is_asked(url: str) -> bool:
    """Whether anybody has a connection to it."""
    port = httpx.URL(url).port
    return any(
        connection.raddr and connection.raddr.port == port and connection.status == psutil.CONN_ESTABLISHED
        for connection in psutil.net_connections("tcp")
    )


def test_the_api_waits_for_an_answer_that_is_under_way(
    settings: Settings, server: tuple[int, str], photo: Callable[..., bytes]
) -> None:
    number, url = server
    with lone_api(settings.home, TANDEM_SERVING_URL=url) as api, ThreadPoolExecutor() as aside:
        # Stopped, serving is as busy as can be.
        os.kill(number, signal.SIGSTOP)
        try:
            answer = aside.submit(
                httpx.post,
                f"{api.url}/api/v1/models/colours/classify",
                content=photo(1),
                timeout=SECONDS,
            )
            while not is_asked(url):
                time.sleep(0.05)
            ended = aside.submit(api.end)
            time.sleep(BUSY_SECONDS)
        finally:
            os.kill(number, signal.SIGCONT)
        response = answer.result(SECONDS)
        assert response.status_code == 200, response.text
        assert len(response.json()["predictions"]) == 1
        ended.result(SECONDS)
