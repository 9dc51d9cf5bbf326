"""How many threads serving starts where its container may not use all cores it sees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.cores import usable_cores

THERE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", THERE),
        ("50000 100000", 1),
        ("100000 100000", 1),
        # Half a core more is used too.
        ("150000 100000", min(2, THERE)),
        ("99900000 100000", min(999, THERE)),
    ],
)
def test_no_more_cores_are_used_than_the_container_is_limited_to(
    tmp_path: Path, limit: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert usable_cores(tmp_path / "cpu.max") == cores


def test_where_no_limit_can_be_set_all_cores_are_used(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "cpu.max") == THERE
