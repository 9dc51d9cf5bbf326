"""`python ray_stand_in.py PORT SUBMISSION FOLDER`: Ray's Jobs API with one job, which is at work for ever.

The job tells of a step each second in FOLDER/progress.jsonl and FOLDER/logs/job.log, as a run does. Two CPUs,
none of which is left for others.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, SUBMISSION, FOLDER = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
NODE = {"state": "ALIVE", "is_head_node": True, "resources_total": {"CPU": 2.0}}
NODES = {"data": {"result": {"result": [NODE]}}}


class JobsApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/api/v0/nodes"):
            self._answer(200, NODES)
        elif self.path == f"/api/jobs/{SUBMISSION}":
            self._answer(200, {"status": "RUNNING", "message": None})
        else:
            self._answer(404, {})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, code: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def work() -> None:
    step = 0
    while True:
        step += 7
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {
            "at": at,
            "epoch": step // 100,
            "step": step,
            "total_steps": 10**6,
            "loss": 1.25,
            "learning_rate": 0.01,
            "num_workers": 2,
            "images_per_second": 812.5,
            "eta_seconds": 1000.0,
        }
        for path, text in ((FOLDER / "progress.jsonl", json.dumps(line)), (FOLDER / "logs" / "job.log", at)):
            with path.open("a") as file:
                file.write(text + "\n")
        time.sleep(1)


threading.Thread(target=work, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", PORT), JobsApi).serve_forever()
