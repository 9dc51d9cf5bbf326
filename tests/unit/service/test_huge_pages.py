"""A process that wants huge pages gets them, and is the same process as far as anybody can see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from service.huge_pages import restart_with_huge_pages
restart_with_huge_pages()
import torch
block = torch.ones(2**26, dtype=torch.uint8)
pages = [line for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages")]
print(os.getpid(), sys.argv[1:], os.environ["GLIBC_TUNABLES"], pages[0].split()[1])
"""
ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")


def answer(tunables: str | None) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    if tunables is not None:
        environment["GLIBC_TUNABLES"] = tunables
    command = [sys.executable, "-c", SCRIPT, "8001"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate()
    assert process.returncode == 0
    pid, *rest = said.split()
    assert int(pid) == process.pid
    return rest


def test_it_starts_anew_in_place_and_its_blocks_are_of_huge_pages() -> None:
    arguments, tunables, kilobytes = answer(None)
    assert (arguments, tunables) == ("['8001']", "glibc.malloc.hugetlb=1")
    # Kernels without huge pages ignore the setting.
    if ENABLED.exists() and "[never]" not in ENABLED.read_text():
        assert int(kilobytes) > 2**15


def test_what_somebody_else_has_set_is_left_alone() -> None:
    _, tunables, _ = answer("glibc.malloc.arena_max=4")
    assert tunables == "glibc.malloc.arena_max=4"
