"""The dashboard of a Ray head without a cluster: its nodes, actors and jobs are what a test says they are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEAD, FIRST, SECOND = (digit * 56 for digit in "abc")


def node(node_id: str, address: str, is_head: bool = False, **resources: float) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "node_ip": address,
        "is_head_node": is_head,
        "state": "ALIVE",
        "node_name": address,
        "resources_total": {f"node:{address}": 1.0, "memory": 8e9, **resources},
    }


def actor(job_id: str, node_id: str, class_name: str = "RayTrainWorker") -> dict[str, Any]:
    return {"class_name": class_name, "state": "ALIVE", "job_id": job_id, "node_id": node_id, "pid": 7}


def task(
    job_id: str, node_id: str | None, kind: str = "NORMAL_TASK", state: str = "RUNNING"
) -> dict[str, Any]:
    return {"name": "_write", "type": kind, "state": state, "job_id": job_id, "node_id": node_id}


def job(job_id: str | None, submission_id: str | None, status: str = "RUNNING") -> dict[str, Any]:
    return {"type": "SUBMISSION", "job_id": job_id, "submission_id": submission_id, "status": status}


def machine(node_id: str, **figures: Any) -> dict[str, Any]:
    return {"hostname": "h", "raylet": {"nodeId": node_id, "state": "ALIVE"}, **figures}


class Dashboard(ThreadingHTTPServer):
    """It filters its rows as Ray does, and refuses whatever else it is asked."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {"nodes": [], "actors": [], "tasks": [], "jobs": []}
        self.summary: list[dict[str, Any]] = []
        self.used: dict[str, str] = {}
        self.stumbles = False
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), DashboardApi)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class DashboardApi(BaseHTTPRequestHandler):
    server: Dashboard

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        self.server.asked.append(path)
        if path == "/nodes":
            assert query == {"view": ["summary"], "nocache": ["1"]}
            data = {"summary": self.server.summary, "nodeLogicalResources": self.server.used}
            self._answer(500 if self.server.stumbles else 200, {"result": True, "msg": "", "data": data})
            return
        rows = self.server.rows.get(path.removeprefix("/api/v0/"))
        if rows is None:
            self._answer(503, {})
            return
        assert int(query["limit"][0]) <= 10_000, "what Ray refuses"
        wanted = list(zip(query["filter_keys"], query["filter_values"], strict=True))
        assert query["filter_predicates"] == ["="] * len(wanted)
        found = [row for row in rows if all(row[key] == value for key, value in wanted)]
        self._answer(200, {"result": True, "msg": "", "data": {"result": {"total": 9, "result": found}}})

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, code: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def dashboard_of_three() -> Iterator[Dashboard]:
    """A head that trains nothing and two workers, one of which has told nothing of itself yet."""
    dashboard = Dashboard()
    dashboard.rows["nodes"] = [
        node(SECOND, "10.0.0.3", CPU=8.0, GPU=2.0),
        node(FIRST, "10.0.0.2", CPU=8.0, GPU=2.0),
        node(HEAD, "10.0.0.9", is_head=True),
        {**node("d" * 56, "10.0.0.4", CPU=8.0), "state": "DEAD"},
    ]
    dashboard.summary = [
        machine(HEAD, mem=[4_000, 3_000, 25.0, 1_000], gpus=[]),
        machine(FIRST, mem=[9_000, 2_000, 77.8, 7_000], gpus=[{"name": "H100", "index": 0}] * 2),
        machine(SECOND),
    ]
    dashboard.used = {
        FIRST: (
            "6.0/8.0 CPU (6.0 used of 8.0 reserved in placement groups)\n"
            "1.5/2.0 GPU\n0B/7.45GiB memory\n1.0/1.0 CPU_made_up\n0.0/1.0 accelerator_type:H100"
        )
    }
    thread = threading.Thread(target=dashboard.serve_forever, args=(0.01,))
    thread.start()
    yield dashboard
    dashboard.shutdown()
    dashboard.server_close()
    thread.join()
