"""Whom a running Ray's sockets let in, and how long their names are."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.stack.up import Stack

pytestmark = pytest.mark.cluster

LONGEST = "session_2026-01-01_00-00-00_000000_4194304/sockets/dash_TaskEventsHead"


def test_sockets_lie_in_a_folder_that_others_cannot_enter(stack: Stack) -> None:
    (option,) = [
        argument for argument in stack.child("ray").command.arguments if argument.startswith("--temp-dir=")
    ]
    folder = Path(option.partition("=")[2])
    sockets = [path.relative_to(folder) for path in folder.rglob("*") if path.is_socket()]
    assert {"raylet", "plasma_store"} <= {path.name for path in sockets}
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert max(len(str(path)) for path in sockets) <= len(LONGEST)
