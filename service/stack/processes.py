"""One child process of the stack: started in a group of its own, logged to a file, ended whole."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

TERMINATE_SECONDS = 15.0


@dataclass(frozen=True)
class Command:
    """What to run, with what environment beside this process's own, and where its output goes."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path


class Child:
    """A running command. Its group is its own, so that Ctrl-C in the terminal reaches only the parent."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.command.log.parent.mkdir(parents=True, exist_ok=True)
        with self.command.log.open("ab") as log:
            return subprocess.Popen(
                self.command.arguments,
                env={**os.environ, **self.command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def restart(self) -> None:
        """Starts the command again after it ended; what is left of its group goes first."""
        self._signal_group(signal.SIGKILL)
        self._process = self._start()

    def end(self) -> None:
        """Ends the process and everything it started: asks first, then insists."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(TERMINATE_SECONDS)
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for an error message."""
        return " | ".join(self.command.log.read_text(errors="replace").split("\n")[-lines - 1 : -1])

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return
