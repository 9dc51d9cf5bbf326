"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

CPU_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cpu_limit: Path = CPU_LIMIT) -> int:
    """Those it is scheduled on, but no more than the time that its container is limited to would fill.

    A container with a limit sees all cores of its machine: with a thread on each, all would stand still most
    of the time.
    """
    there = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_limit.read_text().split()
    except FileNotFoundError:
        return there
    if quota == "max":
        return there
    return min(there, math.ceil(int(quota) / int(period)))
