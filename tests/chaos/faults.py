"""What can befall a run: which processes are killed, and whether somebody has to start them again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
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
            if is_victim(_command(process), run_id):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    return True
        return False

    return strike


def _kill_whole_stack(stack: LocalStack, _: str) -> bool:
    stack.kill()
    stack.restart()
    return True


def _is_api(command: Command, _: str) -> bool:
    return len(command) > 1 and command[-1] == "api" and "tandem" in command[-2]


def _is_driver(command: Command, run_id: str) -> bool:
    return len(command) > 1 and command[-1].endswith(run_id) and "tandem-train-job" in command[-2]


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
    """Command lines of what still works at a run: drivers, whoever their parent is by now, and workers."""
    drivers = [process for process in psutil.process_iter() if _is_driver(_command(process), run_id)]
    workers = [process for process in stack.processes() if _is_worker(_command(process), run_id)]
    return [_command(process) for process in (*drivers, *workers)]


def _command(process: psutil.Process) -> Command:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
