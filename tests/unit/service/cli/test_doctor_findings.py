"""`tandem doctor`: each finding tells the truth about this machine and says what to do."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from object_server import BUCKET, object_server

from service.cli.findings import (
    GIB,
    Severity,
    disk,
    importable,
    node_cache,
    object_storage,
    port,
    server,
    shared_memory,
)
from service.cli.main import run
from service.settings import Settings


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def half_ready() -> Iterator[str]:
    """A server whose Ray is gone."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(json.dumps({"checks": {"serving": "ok", "ray": "no head"}}).encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_library_that_loads_is_good_and_says_its_version() -> None:
    assert importable("numpy", "import numpy; print(numpy.__version__)").severity is Severity.GOOD


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("import no_such_library", "no_such_library"),
        ("raise ImportError('libturbojpeg.so.0: cannot open shared object file')", "libturbojpeg"),
        ("import os; os.abort()", "-6"),
    ],
)
def test_a_library_that_fails_or_crashes_is_blocking_and_says_why(program: str, found: str) -> None:
    finding = importable("library", program)
    assert finding.severity is Severity.BLOCKING
    assert found in finding.found
    assert "make setup" in finding.remedy


def test_a_taken_port_is_blocking_and_a_free_one_good(taken_port: int) -> None:
    settings = Settings(port=taken_port)
    assert port(settings).severity is Severity.BLOCKING
    assert "TANDEM_PORT" in port(settings).remedy
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    assert port(Settings(port=free)).severity is Severity.GOOD


def test_the_disk_of_a_home_that_is_not_there_yet_is_its_nearest_folders(tmp_path: Path) -> None:
    finding = disk(tmp_path / "not" / "yet")
    free = shutil.disk_usage(tmp_path).free / GIB
    assert float(finding.found.split()[0]) == pytest.approx(free, abs=5)


def test_a_server_is_asked_for_its_parts(half_ready: str) -> None:
    found = {finding.subject: finding for finding in server(Settings(url=half_ready))}
    assert found["server"].severity is Severity.GOOD
    assert found["serving"].severity is Severity.GOOD
    assert found["ray"].severity is Severity.BLOCKING
    assert found["ray"].found == "no head"
    assert found["ray"].remedy


def test_without_a_server_the_port_is_looked_at_and_a_server_advised(taken_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    found = {finding.subject: finding.severity for finding in server(Settings(port=free))}
    assert found == {"port": Severity.GOOD, "server": Severity.ADVICE}


def test_a_machine_without_shared_memory_is_advised(tmp_path: Path) -> None:
    assert shared_memory(tmp_path / "shm").severity is Severity.ADVICE


def test_doctor_exits_1_when_something_is_blocking(
    half_ready: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_URL", half_ready)
    assert run(["doctor", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["fit"] is False
    subjects = [finding["subject"] for finding in answer["findings"]]
    assert subjects[:5] == ["Python", "FFCV", "torch", "disk", "shared memory"]


def test_object_storage_is_tried_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with object_server() as storage:
        for name, value in storage.environment.items():
            monkeypatch.setenv(name, value)
        assert object_storage(f"s3://{BUCKET}/tandem").severity is Severity.GOOD
        assert storage.object_keys() == []
        absent = object_storage("s3://no-such-bucket/tandem")
    assert absent.severity is Severity.BLOCKING
    assert "does not exist: check the bucket and the prefix" in absent.found
    silent = object_storage(f"s3://{BUCKET}/tandem")
    assert "check the network and AWS_ENDPOINT_URL" in silent.found


def test_a_cache_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    assert node_cache(Settings(cache=tmp_path / "new")).severity is Severity.GOOD
    (tmp_path / "file").write_bytes(b"")
    refused = node_cache(Settings(cache=tmp_path / "file"))
    assert refused.severity is Severity.BLOCKING
    assert "set TANDEM_CACHE to another folder" in refused.found
