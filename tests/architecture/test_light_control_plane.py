"""The control plane starts without the libraries that train: a fresh interpreter is asked what it loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "ray", "ffcv", "numba", "cv2"}


@pytest.mark.parametrize("module", ["service.api.server", "service.client", "service.cli.main"])
def test_importing_it_loads_neither_torch_nor_ray_nor_ffcv(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(loaded.stdout.split())
