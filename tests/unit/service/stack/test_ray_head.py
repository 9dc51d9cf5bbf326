"""Ray's sockets lie where this user alone gets to them, at paths that are short enough."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from service.errors import StackError
from service.stack.ray_head import ray_head

LONGEST_OF_RAY = "session_2026-01-01_00-00-00_000000_4194304/sockets/dash_TaskEventsHead"
MOST_BYTES = 107


def temporary(home: Path) -> Path:
    (option,) = [
        argument for argument in ray_head(home, 1, "", {}).arguments if argument.startswith("--temp-dir=")
    ]
    return Path(option.partition("=")[2])


@pytest.fixture
def system_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What everybody may write to."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_homes_have_folders_of_their_own_in_one_that_is_closed_to_others(system_folder: Path) -> None:
    first, second = temporary(Path("/home/a")), temporary(Path("/home/b"))
    assert first != second
    assert first.parent == second.parent
    assert first.parent.parent == system_folder
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_may_enter_is_refused_with_what_to_do(system_folder: Path) -> None:
    closed = temporary(Path("/home/a")).parent
    closed.chmod(0o777)
    with pytest.raises(StackError, match=r"mode 700.*TMPDIR"):
        temporary(Path("/home/a"))
    if os.geteuid() == 0:
        closed.chmod(0o700)
        os.chown(closed, 12345, 12345)
        with pytest.raises(StackError, match=r"somebody else's.*TMPDIR"):
            temporary(Path("/home/a"))


def test_a_socket_of_the_longest_name_of_the_highest_user_fits() -> None:
    folder = temporary(Path("/home") / ("x" * 200))
    number = folder.parent.name.rpartition("-")[2]
    assert number == str(os.geteuid())
    longest = f"/tmp/{folder.parent.name}/{folder.name}/{LONGEST_OF_RAY}".replace(number, "4294967294", 1)
    assert len(longest) <= MOST_BYTES
