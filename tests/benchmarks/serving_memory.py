"""What the serving process holds over many requests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from serving_processes import PUBLISHED, post_photos, resident_bytes, tandem
from serving_turns import CROWD, Turns

MODEL: Final = "alexnet-tiny"
SLICES: Final = 10
WARM_UP_REQUESTS: Final = 2_000


def measure_memory(work: Path, requests: int) -> tuple[dict[str, Turns], dict[str, float]]:
    """Resident bytes of `tandem serve` after each of ten slices of the requests, from when it is warm.

    They are read while nothing is asked: photos on their way are no growth.
    """
    held: list[int] = []
    not_right = 0.0
    with tandem(work / "home", MODEL) as posted:
        for number in range(SLICES + 1):
            asked = requests // SLICES if number else WARM_UP_REQUESTS
            turn = post_photos(posted, work, f"{MODEL}-{PUBLISHED}", CROWD, (0, 0), asked)
            held.append(resident_bytes(posted.server.pid))
            not_right += turn["not_ok"] + turn["wrong"]
            print(f"memory, {asked} requests: {held[-1] / 1e6:.1f} MB", file=sys.stderr)
    warm, *later = held
    rows: dict[str, Turns] = {f"memory over {requests} requests": [{"bytes": float(each)} for each in held]}
    return rows, {
        "memory_drift_bytes": float(max(abs(each - warm) for each in later)),
        "memory_answers_not_right": not_right,
    }
