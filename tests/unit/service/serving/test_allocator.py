"""Memory that was freed is had again without the kernel's help."""

from __future__ import annotations

import subprocess
import sys

import pytest

PAGES = 16_384
SCRIPT = f"""
import resource, torch
from service.serving.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def batch():
    before = faults()
    torch.empty({PAGES} * 4096, dtype=torch.uint8).fill_(1)
    return faults() - before

batch()
given_back = batch()
keep_freed_memory()
batch()
print(given_back, batch())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_a_batch_has_the_memory_of_the_one_before() -> None:
    command = [sys.executable, "-c", SCRIPT]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    given_back, kept = map(int, answer.split())
    assert given_back > PAGES / 2
    assert kept < PAGES / 100
