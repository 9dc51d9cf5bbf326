"""How long nobody answers after the serving process of a stack was killed under load."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psutil
from api_processes import Server, serving
from serving_turns import Turns

from service.stack.free_port import free_port

MODEL: Final = "alexnet"
CLIENTS: Final = 8
KILLS: Final = 5

_STEADY_ANSWERS: Final = 50
_PAUSE_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 60


class Outage:
    """From when the process was killed to the first answer that was asked for afterwards."""

    def __init__(self) -> None:
        self.killed_at = float("inf")
        self.answers = 0
        self.refusals: set[int] = set()
        self.ended = threading.Event()
        self.seconds = float("nan")
        self._changing = threading.Lock()

    def note(self, asked_at: float, status: int) -> None:
        with self._changing:
            if status != httpx.codes.OK:
                self.refusals.add(status)
            elif asked_at < self.killed_at:
                self.answers += 1
            elif not self.ended.is_set():
                self.seconds = time.perf_counter() - self.killed_at
                self.ended.set()


def measure_restart(work: Path) -> tuple[dict[str, Turns], dict[str, float]]:
    """`tandem up` over the home; its serving process is killed again and again while clients ask."""
    turns: Turns = []
    with _up(work / "home") as stack:
        for number in range(KILLS):
            outage = kill_under_load(stack, work)
            print(f"restart {number + 1}: {outage.seconds:.2f} s, {sorted(outage.refusals)}", file=sys.stderr)
            strange = len(outage.refusals - {httpx.codes.SERVICE_UNAVAILABLE})
            turns.append({"restart_seconds": outage.seconds, "other_refusals": float(strange)})
    return {f"{MODEL}: killed under load": turns}, {
        "restart_seconds": max(turn["restart_seconds"] for turn in turns),
        "restart_other_refusals": sum(turn["other_refusals"] for turn in turns),
    }


@contextmanager
def _up(home: Path) -> Iterator[Server]:
    port = free_port()
    tandem = str(Path(sys.executable).with_name("tandem"))
    with serving([tandem, "up", "--home", str(home), "--port", str(port)], port, "/readyz") as server:
        yield server


def kill_under_load(stack: Server, work: Path) -> Outage:
    outage = Outage()
    photo = next((work / "photos").glob("*.jpg")).read_bytes()
    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(_ask, stack, photo, outage) for _ in range(CLIENTS)]
        while outage.answers < _STEADY_ANSWERS and not any(each.done() for each in asking):
            time.sleep(_PAUSE_SECONDS)
        pid = _serving_pid(stack)
        outage.killed_at = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        outage.ended.wait(_PATIENCE_SECONDS)
        outage.ended.set()
        for each in asking:
            each.result()
    return outage


def _ask(stack: Server, photo: bytes, outage: Outage) -> None:
    with httpx.Client(base_url=stack.url, timeout=_PATIENCE_SECONDS, trust_env=False) as client:
        while not outage.ended.is_set():
            asked_at = time.perf_counter()
            status = client.post(f"/api/v1/models/{MODEL}/classify", content=photo).status_code
            outage.note(asked_at, status)
            if status != httpx.codes.OK:
                time.sleep(_PAUSE_SECONDS)


def _serving_pid(stack: Server) -> int:
    below = psutil.Process(stack.pid).children(recursive=True)
    (pid,) = (process.pid for process in below if process.cmdline()[2:3] == ["serve"])
    return pid
