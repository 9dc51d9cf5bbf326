"""`tandem up` as an operator runs it, in a home of its own, and the processes that belong to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from service.client import Client, ServerUnreachableError
from service.stack.free_port import free_port

READY_SECONDS = 180.0
LOOK_SECONDS = 0.3


class LocalStack:
    """Started, killed and started again at the same address, over the same home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._port = free_port()
        self.client = Client(f"http://127.0.0.1:{self._port}")
        self._start()

    def processes(self) -> list[psutil.Process]:
        """`tandem up` and everything it has started, living."""
        top = psutil.Process(self._up.pid)
        return [top, *top.children(recursive=True)]

    def kill(self) -> None:
        """Ends all of it at once, as a power cut would."""
        living = self.processes()
        # The parent first, so that it starts nothing again.
        for process in living:
            _kill(process)
        psutil.wait_procs(living, timeout=30)
        self._up.wait()

    def restart(self) -> None:
        self._start()

    def close(self) -> None:
        """Ends it as Ctrl-C does."""
        self.client.close()
        self._up.terminate()
        self._up.wait()

    def _start(self) -> None:
        tandem = Path(sys.executable).with_name("tandem")
        command = [tandem, "up", "--home", self.home, "--port", str(self._port)]
        # Neither settings of the environment nor a .env file where this was started.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                command, cwd=self.home, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._up.poll() is not None:
                break
            try:
                self.client.runs.list(limit=1)
            except ServerUnreachableError:
                time.sleep(LOOK_SECONDS)
            else:
                return
        raise RuntimeError(f"no stack: {(self.home / 'up.log').read_text()[-2000:]}")


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
