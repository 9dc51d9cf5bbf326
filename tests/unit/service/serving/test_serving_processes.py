"""`tandem serve --processes 2`: one port, one account of what was done, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from service.domain.job import Job
from service.operations.models import ModelOperations
from service.settings import Settings
from service.stack.free_port import free_port
from service.stack.serving_processes import shares_of_cores

TANDEM = str(Path(sys.executable).with_name("tandem"))
SECONDS = 60
Paint = Callable[..., bytes]


class Serving:
    """The command, on a port of its own."""

    def __init__(self, home: Path, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [TANDEM, "serve", "--processes", "2", "--home", str(home), "--port", str(self.port)]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def answering(self) -> dict[int, psutil.Process]:
        """The processes that answer, by number."""
        return {child.pid: child for child in psutil.Process(self.process.pid).children()}

    def wait_until_ready(self) -> None:
        """Both of them: which one a connection comes to is chance."""
        for _ in range(20):
            until(lambda: httpx.get(f"{self.url}/readyz", timeout=SECONDS).is_success)

    def classify(self, photo: bytes) -> httpx.Response:
        """On a connection of its own."""
        return httpx.post(f"{self.url}/api/v1/models/colours/classify", content=photo, timeout=SECONDS)

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self.url}/metrics", timeout=SECONDS).text
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (.+)$", text, re.MULTILINE))


def until(condition: Callable[[], bool]) -> None:
    """Waits for it; a server that does not answer yet fails no condition for good."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"not so after {SECONDS} s")


@pytest.fixture
def serving(settings: Settings, models: ModelOperations, run: Job, tmp_path: Path) -> Iterator[Serving]:
    models.publish("colours", run)
    started = Serving(settings.home, tmp_path / "log")
    yield started
    started.process.terminate()
    started.process.wait(SECONDS)


def test_both_answer_one_is_replaced_and_all_end_together(serving: Serving, photo: Paint) -> None:
    serving.wait_until_ready()
    first = serving.answering
    assert len(first) == 2
    if len(os.sched_getaffinity(0)) > 1:
        shares = [set(child.cpu_affinity()) for child in first.values()]
        assert not shares[0] & shares[1]
    said = [serving.classify(photo(1)).json()["predictions"] for _ in range(30)]
    assert all(predictions == said[0] for predictions in said)
    # All photos are accounted for, though each process has counted only its own.
    assert serving.metric("tandem_batch_photos_sum") == 30
    assert serving.metric("tandem_models_loaded") == 2
    assert serving.metric("tandem_photos_waiting") == 0

    killed = next(iter(first))
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in serving.answering and len(serving.answering) == 2)
    # None is refused: those that come to the new one's socket wait until it is there.
    assert [serving.classify(photo(1)).status_code for _ in range(20)] == [200] * 20
    assert serving.metric("tandem_models_loaded") == 2

    last = serving.answering
    serving.process.terminate()
    assert serving.process.wait(SECONDS) == 0
    assert not any(child.is_running() for child in last.values())


def test_while_it_ends_who_comes_is_refused_and_who_was_there_is_answered(
    serving: Serving, photo: Paint
) -> None:
    serving.wait_until_ready()
    data, address = photo(1), ("127.0.0.1", serving.port)
    head = [
        "POST /api/v1/models/colours/classify HTTP/1.1",
        "Host: here",
        f"Content-Length: {len(data)}",
        # Whoever reads the body says so first.
        "Expect: 100-continue",
    ]
    with socket.create_connection(address, SECONDS) as under_way:
        under_way.sendall("\r\n".join([*head, "", ""]).encode())
        assert under_way.recv(100).startswith(b"HTTP/1.1 100")
        serving.process.terminate()
        until(lambda: not is_taken(address))
        under_way.sendall(data)
        assert under_way.recv(100).startswith(b"HTTP/1.1 200")
    assert serving.process.wait(SECONDS) == 0


def is_taken(address: tuple[str, int]) -> bool:
    """Whether a connection is accepted, or would wait for somebody to accept it."""
    try:
        with socket.create_connection(address, SECONDS):
            return True
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True


def test_killed_it_takes_those_that_answer_with_it(serving: Serving) -> None:
    serving.wait_until_ready()
    answering = list(serving.answering.values())
    serving.process.kill()
    _, alive = psutil.wait_procs(answering, timeout=SECONDS)
    assert not alive


def test_what_keeps_a_process_from_starting_ends_them_all(settings: Settings, tmp_path: Path) -> None:
    serving = Serving(settings.home, tmp_path / "log", TANDEM_SERVING_DEVICES="cuda:9")
    assert serving.process.wait(SECONDS) == 1
    assert "TANDEM_SERVING_DEVICES has 'cuda:9'" in (tmp_path / "log").read_text()


def test_a_taken_port_is_refused(serving: Serving) -> None:
    serving.wait_until_ready()
    command = [TANDEM, "serve", "--processes", "2", "--port", str(serving.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{serving.port}" in done.stderr


def test_a_descriptor_that_is_no_socket_is_refused(settings: Settings) -> None:
    command = [TANDEM, "serve", "--fd", "77", "--home", str(settings.home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert "--fd=77 is not a socket" in done.stderr


@pytest.mark.parametrize(
    ("cores", "count", "shares"),
    [
        ([0, 1], 1, [[0, 1]]),
        ([0, 1], 2, [[0], [1]]),
        ([2, 3, 5, 7, 8], 2, [[2, 5, 8], [3, 7]]),
        ([4], 3, [[4], [4], [4]]),
        ([0, 1], 3, [[0], [1], [0]]),
    ],
)
def test_cores_are_shared_out(cores: list[int], count: int, shares: list[list[int]]) -> None:
    assert shares_of_cores(cores, count) == shares
