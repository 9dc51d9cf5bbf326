"""How a child of the stack ends."""

from __future__ import annotations

import time
from pathlib import Path

from service.stack.processes import Child, Command

SECONDS = 60.0


def test_a_child_has_its_own_time_to_end(tmp_path: Path) -> None:
    said = {}
    for seconds, may_end in ((0.2, tmp_path / "never"), (SECONDS, tmp_path)):
        log = tmp_path / f"{seconds}.log"
        ending = f"while [ ! -e {may_end} ]; do sleep 0.1; done; sleep 0.5; echo ended; exit"
        slow = f"trap '{ending}' TERM; echo began; while true; do sleep 0.1; done"
        child = Child(Command("slow", ["bash", "-c", slow], {}, log, end_seconds=seconds))
        while not log.read_text():
            time.sleep(0.05)
        child.end()
        said[seconds] = log.read_text().split()
    assert said == {0.2: ["began"], SECONDS: ["began", "ended"]}
