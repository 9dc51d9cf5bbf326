"""Several serving processes behind one port, each with its share of the cores, watched over together.

One process has one interpreter, which its threads wait for: where networks are small, cores stand idle
meanwhile. Each process has a listening socket of its own, and the kernel deals connections out among them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.multiprocess import mark_process_dead

from service.errors import StackError
from service.http.grace import grace_seconds
from service.http.listener import listen, listen_together
from service.huge_pages import HUGE_PAGES
from service.settings import Settings

log = structlog.get_logger()

_LOOK_SECONDS: Final = 0.2
# What ending takes once all that was accepted is answered.
_END_SECONDS: Final = 10.0


class ServingProcess:
    """`tandem serve` on a socket that is open already and on some of the cores; it ends with this process."""

    def __init__(
        self, settings: Settings, listener: socket.socket, cores: Sequence[int], metrics: Path
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._cores = cores
        self._metrics = metrics
        self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and less than 0 after a signal."""
        return self._process.poll()

    def restart(self) -> None:
        """Starts it again after it ended; connections that came meanwhile have waited in its socket."""
        self._forget()
        self._process = self._start()

    def accept_no_more(self) -> None:
        """Its socket is open here too, and would take connections after it has closed its own."""
        self._listener.close()

    def ask_to_end(self) -> None:
        """It answers what it has accepted, and ends."""
        self._process.terminate()

    def end(self) -> None:
        """Asks it to end, waits until it has, and insists when that takes too long."""
        self.ask_to_end()
        try:
            self._process.wait(grace_seconds(self._settings.request_seconds) + _END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _start(self) -> subprocess.Popen[bytes]:
        tandem = Path(sys.executable).with_name("tandem")
        descriptor = self._listener.fileno()
        process = subprocess.Popen(
            # The kernel asks it to end when this process is killed, which cannot do so any more.
            ["setpriv", "--pdeathsig", "TERM", "--", str(tandem), "serve", f"--fd={descriptor}"],
            env={
                **HUGE_PAGES,
                **os.environ,
                "TANDEM_HOME": str(self._settings.home),
                "TANDEM_SERVING_PROCESSES": "1",
                # Read when prometheus_client is imported: figures are kept in files that all can sum up.
                "PROMETHEUS_MULTIPROC_DIR": str(self._metrics),
            },
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            # Ctrl-C in the terminal is this process's to pass on.
            process_group=0,
        )
        # Before it counts its cores, which it does when torch is there.
        os.sched_setaffinity(process.pid, self._cores)
        return process

    def _forget(self) -> None:
        mark_process_dead(self.pid, str(self._metrics))  # type: ignore[no-untyped-call]


def run(settings: Settings, host: str, port: int, count: int) -> None:
    """Serves by so many processes until SIGINT or SIGTERM; one that is killed is started again.

    Raises `StackError` for a taken port, and when a process fails, as with a device that is not there.
    """
    listen(host, port).close()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as ending:
        metrics = ending.enter_context(tempfile.TemporaryDirectory(prefix="tandem-metrics-"))
        processes = []
        for cores in shares_of_cores(sorted(os.sched_getaffinity(0)), count):
            listener = ending.enter_context(listen_together(host, port))
            process = ServingProcess(settings, listener, cores, Path(metrics))
            ending.callback(process.end)
            processes.append(process)
        # All at once, before the first of them is waited for; who comes then is refused, not left waiting.
        for process in processes:
            ending.callback(process.ask_to_end)
            ending.callback(process.accept_no_more)
        log.info("serving_processes_started", pids=[process.pid for process in processes])
        while not ended.wait(_LOOK_SECONDS):
            for process in processes:
                _look_after(process)


def _look_after(process: ServingProcess) -> None:
    code = process.exit_code
    if code is None:
        return
    if code > 0:
        raise StackError(f"a serving process ended with {code}: its last lines say why")
    log.warning("serving_process_restarted", pid=process.pid, signal=-code)
    process.restart()


def shares_of_cores(cores: Sequence[int], count: int) -> list[Sequence[int]]:
    """Which cores each of so many processes has; with more processes than cores, they share them."""
    if count >= len(cores):
        return [[cores[number % len(cores)]] for number in range(count)]
    return [cores[number::count] for number in range(count)]
