"""The control plane starts without the libraries that train: a fresh interpreter is asked what it loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

# pyarrow is for object storage alone: who sets none does not wait for it.
HEAVY = {"torch", "ray", "ffcv", "numba", "cv2", "pyarrow"}


@pytest.mark.parametrize("module", ["service.api.server", "service.client", "service.cli.main"])
def test_importing_it_loads_neither_torch_nor_ray_nor_ffcv_nor_pyarrow(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(loaded.stdout.split())
