"""How a command ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    BAD_INPUT = 3
    QUARANTINE = 4
    INTERRUPTED = 130
