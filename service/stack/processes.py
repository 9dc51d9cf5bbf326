"""One child process of the stack: it ends with its parent, and with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

TERMINATE_SECONDS: Final = 15.0
# The kernel asks a child to end when its parent is killed, which cannot do so any more.
_WITH_PARENT: Final = ("setpriv", "--pdeathsig", "TERM", "--")
# In the environment of a child and of all that comes of it, whoever their parents are by then.
_MARK: Final = "TANDEM_CHILD_WITH_LOG"


@dataclass(frozen=True)
class Command:
    """What to run, with what environment beside this process's own, and where its output goes.

    Asked to end, it may take `end_seconds`.
    """

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    end_seconds: float = TERMINATE_SECONDS


class Child:
    """A running command, alone with its log: whatever an earlier one with the same log has left is ended.

    Its group is its own, so that Ctrl-C in the terminal reaches only the parent.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._kill_marked()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.command.log.parent.mkdir(parents=True, exist_ok=True)
        with self.command.log.open("ab") as log:
            return subprocess.Popen(
                [*_WITH_PARENT, *self.command.arguments],
                env={**os.environ, **self.command.environment, _MARK: str(self.command.log)},
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
        """Starts the command again after it ended; what it left goes first."""
        self._kill_rest()
        self._process = self._start()

    def end(self) -> None:
        """Ends the process and everything it started: asks first, then insists."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.command.end_seconds)
        self._kill_rest()
        self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for an error message."""
        return " | ".join(self.command.log.read_text(errors="replace").split("\n")[-lines - 1 : -1])

    def _kill_rest(self) -> None:
        # Ray's workers write their titles over their environment, but stay in the group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._kill_marked()

    def _kill_marked(self) -> None:
        """Ends what came of this command, or of an earlier one: Ray's jobs have groups of their own."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get(_MARK) == str(self.command.log):
                    process.kill()
