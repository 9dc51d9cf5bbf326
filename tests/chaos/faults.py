"""What can befall a run: which processes are killed, and whether somebody has to start them again."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import psutil
from local_stack import LocalStack

Command = list[str]
Fault = Callable[[LocalStack, str], bool]
"""Strikes the run of an id; whether there was anything to strike."""


def _killer(is_victim: Callable[[Command, str], bool]) -> Fault:
    """Kills the first process of the stack whose command line is a victim's."""

    def strike(stack: LocalStack, run_id: str) -> bool:
        for process in stack.processes():
            try:
                if is_victim(process.cmdline(), run_id):
                    process.kill()
                    return True
            except psutil.NoSuchProcess:
                continue
        return False

    return strike


def _kill_whole_stack(stack: LocalStack, _: str) -> bool:
    stack.kill()
    stack.restart()
    return True


def _is_api(command: Command, _: str) -> bool:
    return command[-1:] == ["api"] and "tandem" in command[-2]


def _is_driver(command: Command, run_id: str) -> bool:
    return command[-1:] != [] and command[-1].endswith(run_id) and "tandem-train-job" in command[-2]


def _is_worker(command: Command, _: str) -> bool:
    name = " ".join(command)
    return name.startswith("ray::") and "TrainWorker" in name


def _is_head(command: Command, _: str) -> bool:
    return bool(command) and command[0].endswith("gcs_server")


FAULTS: Final = MappingProxyType(
    {
        "api": _killer(_is_api),
        "driver": _killer(_is_driver),
        "worker": _killer(_is_worker),
        "head": _killer(_is_head),
        "stack": _kill_whole_stack,
    }
)


def processes_at_work(stack: LocalStack, run_id: str) -> list[Command]:
    """Command lines of what still works at a run."""
    found = []
    for process in stack.processes():
        try:
            command = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if command and (_is_driver(command, run_id) or _is_worker(command, run_id)):
            found.append(command)
    return found
