"""The client's requests against the real control plane, and what it makes of other answers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from service.client import ApiError, Client, ServerUnreachableError
from service.client.photos import upload
from service.domain.state import JobState


def test_an_unknown_run_is_a_404_with_the_servers_code(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.runs.get("nowhere")
    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_an_unknown_field_of_a_specification_is_named(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.runs.create({"dataset": "photos", "recipes": {}})
    assert caught.value.status == 422
    assert [problem.field for problem in caught.value.errors] == ["recipes"]
    assert "recipes" in str(caught.value)


def test_a_run_on_an_unknown_dataset_is_refused_and_the_server_stays(client: Client) -> None:
    with pytest.raises(ApiError, match="photos") as caught:
        client.runs.create({"dataset": "photos"})
    assert (caught.value.status, caught.value.code) == (404, "not_found")
    assert client.runs.list() == []


def test_runs_are_listed_newest_first_over_several_pages(server, client: Client) -> None:
    made = [server.begin_run().id for _ in range(105)]
    assert [run.id for run in client.runs.list(limit=103)] == made[::-1][:103]


def test_runs_are_listed_by_state(server, client: Client) -> None:
    stopped, _running = server.begin_run(), server.begin_run()
    with server.plane.jobs.editing(stopped.id) as edit:
        edit.move_to(JobState.STOPPED)
    assert [run.id for run in client.runs.list(JobState.STOPPED)] == [stopped.id]


def test_stopping_a_run_that_is_over_changes_nothing(server, client: Client) -> None:
    job = server.begin_run()
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.SUCCEEDED)
    before = client.runs.get(job.id)
    assert client.runs.stop(job.id, "now") == before


def test_logs_and_metrics_are_what_the_run_wrote(server, client: Client) -> None:
    job = server.begin_run()
    job.work.log.write_text("one\ntwo\nthree\n")
    lines = [{"step": step, "loss": 1.0 / step} for step in (1, 2, 3)]
    job.work.progress.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert client.runs.logs(job.id, tail=2) == ["two", "three"]
    assert client.runs.metrics(job.id, after=1, limit=1) == [lines[1]]


def test_a_source_that_is_not_there_is_refused_and_leaves_no_dataset(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="source"):
        client.datasets.create({"name": "photos", "source": {"path": str(tmp_path / "nowhere")}})
    assert client.datasets.list() == []


def test_datasets_and_models_that_are_not_there_are_404s(client: Client) -> None:
    for ask in (client.datasets.get, client.datasets.delete, client.models.get):
        with pytest.raises(ApiError) as caught:
            ask("nothing")
        assert caught.value.status == 404
    assert client.models.list() == []


def test_a_server_with_tokens_wants_a_known_one(server) -> None:
    token = server.plane.tokens.create("test", ["read"])
    with Client(server.url) as nobody, pytest.raises(ApiError, match="token") as caught:
        nobody.runs.list()
    assert caught.value.status == 401
    with Client(server.url, token) as reader:
        assert reader.runs.list() == []
        with pytest.raises(ApiError) as caught:
            reader.runs.create({"dataset": "photos"})
        assert caught.value.status == 403


def test_nothing_at_the_address_says_how_to_start_a_server(server) -> None:
    server.stop()
    with Client(server.url) as client, pytest.raises(ServerUnreachableError) as caught:
        client.runs.list()
    assert server.url in str(caught.value)
    assert "tandem up" in str(caught.value)
    assert "TANDEM_URL" in str(caught.value)
    server.start()


@pytest.fixture
def stranger() -> Iterator[str]:
    """A server that is not Tandem."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(502)
            self.end_headers()
            self.wfile.write(b"<h1>Bad gateway</h1>")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_that_is_no_problem_document_is_quoted(stranger: str) -> None:
    with Client(stranger) as client, pytest.raises(ApiError, match="502: <h1>Bad gateway") as caught:
        client.runs.list()
    assert (caught.value.status, caught.value.code) == (502, "http_error")


def test_an_upload_is_of_the_type_its_bytes_say(tmp_path: Path) -> None:
    named_wrong = tmp_path / "photo.JPEG"
    named_wrong.write_bytes(b"\x89PNG\r\n\x1a\n rest")
    assert upload(named_wrong) == ("photo.JPEG", named_wrong.read_bytes(), "image/png")
    assert upload(b"text")[2] == "application/octet-stream"


def test_the_client_loads_neither_torch_nor_ray_nor_ffcv() -> None:
    program = (
        "import sys, service.client; "
        "print([name for name in ('torch', 'ray', 'ffcv', 'fastapi', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
