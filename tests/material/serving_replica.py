"""A serving replica as far as Prometheus sees it: what it tells is made by the product's own metrics."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from service.serving.metrics import ServingMetrics


def told_by(**seconds: list[float]) -> str:
    """What a process tells after answers that took so long, by `question_version`; two photos wait."""
    metrics = ServingMetrics()
    for asked, each in seconds.items():
        question, _, version = asked.partition("_")
        for one in each:
            metrics.answer_seconds.labels(question, "flowers", version).observe(one)
    metrics.photos_waiting.set(2)
    return metrics.exposition().decode()


class Replica:
    """Tells the same whenever it is asked, and counts how often that is."""

    def __init__(self, text: str, code: int = 200) -> None:
        self.asked = 0
        replica = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/metrics"
                replica.asked += 1
                self.send_response(code)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
