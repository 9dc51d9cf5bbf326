"""Where the command line prints: results on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

# Names and paths from users may hold what looks like markup.
results = Console(highlight=False, markup=False, soft_wrap=True)
remarks = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout, on one line."""
    results.out(json.dumps(value), highlight=False)


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def duration(seconds: float) -> str:
    """`41 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
