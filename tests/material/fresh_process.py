"""A script in a Python process of its own: what an import decides once can be decided otherwise there."""

from __future__ import annotations

import os
import subprocess
import sys


def run(script: str, *arguments: object, **variables: str) -> str:
    """What it prints; `variables` go into its environment. Fails with what it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
