"""The API as a process of its own, with neither Ray nor serving behind it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from service.stack.free_port import free_port

# Nobody listens there.
NOWHERE: Final = "http://127.0.0.1:9"


class LoneApi:
    """`tandem api` over a home. It can be killed, and started again at the same address."""

    def __init__(self, home: Path, **settings: str) -> None:
        self._home = home
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        # Neither the environment's settings nor those of a .env file where this was started.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
        own = {"TANDEM_HOME": str(home), "TANDEM_RAY_URL": NOWHERE, "TANDEM_SERVING_URL": NOWHERE}
        self._environment = environment | own | settings
        self.start()

    def start(self) -> None:
        """Returns when it answers."""
        tandem = str(Path(sys.executable).with_name("tandem"))
        log = self._home / "api.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [tandem, "api", "--port", str(self._port)],
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        while not self._answers():
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextmanager
def lone_api(home: Path, **settings: str) -> Iterator[LoneApi]:
    """Runs until the block ends; `settings` are TANDEM_… variables."""
    api = LoneApi(home, **settings)
    try:
        yield api
    finally:
        api.end()
