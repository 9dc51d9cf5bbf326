"""The page waits for a server as long as it is heard, and no longer than it has patience for silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from visit import Visit

from service.api import page as served

pytestmark = pytest.mark.browser

PIECES = 14
# All pieces together take longer than the patience, but none of them does.
BETWEEN_SECONDS, PATIENCE_MILLISECONDS = 0.5, 5000
ASK = """
async ([path, patience]) => {
  const { request, whole } = await import("./page/data/api.js");
  try {
    return await whole(await request(path, { patience }), "json");
  } catch (error) {
    return error.message;
  }
}
"""


@pytest.fixture(scope="module")
def slow() -> Iterator[str]:
    """A server that answers piece by piece, or stops after the first, or says nothing at all."""
    over = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = self.path.rpartition("/")[2]
            if kind == "silent":
                over.wait()
                return
            self.send_response(200)
            script = self.path.endswith(".js")
            self.send_header("Content-Type", "text/javascript" if script else "text/html")
            self.end_headers()
            if script:
                self.wfile.write((served.FOLDER / self.path.removeprefix("/page/")).read_bytes())
            elif kind in {"pieces", "stuck"}:
                self.wfile.write(b'"')
                if kind == "stuck":
                    over.wait()
                for _ in range(PIECES):
                    over.wait(BETWEEN_SECONDS)
                    self.wfile.write(b"piece ")
                self.wfile.write(b'"')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        over.set()
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("pieces", "piece " * PIECES),
        ("stuck", "The server broke off its answer"),
        ("silent", "The server does not answer"),
    ],
)
def test_silence_is_waited_for_and_not_the_whole_answer(
    slow: str, visit: Callable[..., Visit], path: str, said: str
) -> None:
    page = visit(slow).go()
    assert page.evaluate(ASK, [path, PATIENCE_MILLISECONDS]) == said
