"""What a benchmark prints: a table for people, and one JSON object with its figures and their targets."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What a contender measured, in each of its turns.
Turns = Sequence[Mapping[str, float]]
# What a figure should be, and whether that is the least or the most: "at least" or "at most".
Target = tuple[float, str]


def median(turns: Turns, figure: str) -> float:
    return statistics.median(turn[figure] for turn in turns)


def report(
    benchmark: str,
    contenders: Mapping[str, Turns],
    figures: Mapping[str, float],
    targets: Mapping[str, Target],
) -> int:
    """Prints medians and spreads of all contenders, and the verdict on each figure; gives the exit code.

    A figure that has no target is told beside the others.
    """
    rows = [
        {"name": name, figure: median(turns, figure), "spread": spread(turns, figure)}
        for name, turns in contenders.items()
        for figure in turns[0]
    ]
    for row in rows:
        figure = next(key for key in row if key not in ("name", "spread"))
        low, high = row["spread"]
        line = f"{row['name']:44} {figure:30} {row[figure]:16,.2f}  ({low:,.2f} to {high:,.2f})"
        print(line, file=sys.stderr)
    held = {name: verdict(value, targets[name]) for name, value in figures.items() if name in targets}
    beside = {name: value for name, value in figures.items() if name not in targets}
    for name, each in held.items():
        mark = "held" if each["held"] else "NOT HELD"
        print(f"{name:44} {each['value']:16,.2f}  target {each['target']:<14,} {mark}", file=sys.stderr)
    for name, value in beside.items():
        print(f"{name:44} {value:16,.2f}  no target", file=sys.stderr)
    told = {"benchmark": benchmark, "machine": machine(), "rows": rows, "held": held, "beside": beside}
    print(json.dumps(told))
    return 0 if all(each["held"] for each in held.values()) else 1


def verdict(value: float, target: Target) -> dict[str, Any]:
    wanted, sense = target
    held = value >= wanted if sense == "at least" else value <= wanted
    return {"value": value, "target": wanted, "held": held}


def spread(turns: Turns, figure: str) -> tuple[float, float]:
    values = [turn[figure] for turn in turns]
    return min(values), max(values)


def machine() -> dict[str, Any]:
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    processor = models[0].partition(": ")[2] if models else platform.machine()
    return {"cpu": processor, "cores": os.cpu_count(), "python": platform.python_version()}
