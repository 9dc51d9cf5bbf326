"""How a child of the stack ends."""

from __future__ import annotations

import time
from pathlib import Path

from service.stack.processes import Child, Command

SECONDS = 60.0


def test_a_child_has_its_own_time_to_end(tmp_path: Path) -> None:
    slow = "trap 'sleep 1; echo ended; exit' TERM; echo began; while true; do sleep 0.1; done"
    said = {}
    for seconds in (0.2, SECONDS):
        log = tmp_path / f"{seconds}.log"
        child = Child(Command("slow", ["bash", "-c", slow], {}, log, end_seconds=seconds))
        while not log.read_text():
            time.sleep(0.05)
        child.end()
        said[seconds] = log.read_text().split()
    assert said == {0.2: ["began"], SECONDS: ["began", "ended"]}
