"""Lines for a file that takes no more: a limit on its size stands in for a full disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WRITE = """
import resource, signal, sys
from pathlib import Path
from service.domain.events import WarningLine
from service.training.progress import LineFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
lines = LineFile(Path(sys.argv[1]))
for number in range(30):
    limit = 1_000 if number < 25 else soft
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    lines.append(WarningLine(at="now", code=str(number), message="x" * 40))
    if number == 20:
        assert Path(sys.argv[1]).stat().st_size == 1_000
"""


def test_lines_that_a_full_disk_does_not_take_follow_when_it_has_room(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True)
    assert [json.loads(line)["code"] for line in path.read_text().splitlines()] == [
        str(number) for number in range(30)
    ]
