"""What was read is remembered while it holds, and read again once it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.store.remembered import Remembered


class Reader:
    def __init__(self) -> None:
        self.reads = 0

    def __call__(self, path: Path) -> str:
        self.reads += 1
        return path.read_text()


def replace(path: Path, text: str, seconds_ago: float) -> None:
    """As the stores write: aside, and renamed."""
    aside = path.with_name("aside")
    aside.write_text(text)
    moment = aside.stat().st_mtime_ns - round(seconds_ago * 1e9)
    os.utime(aside, ns=(moment, moment))
    aside.replace(path)


def test_a_file_is_read_once_until_it_is_replaced(tmp_path: Path) -> None:
    read, path = Reader(), tmp_path / "file"
    remembered = Remembered(read)
    replace(path, "first", seconds_ago=60)
    assert [remembered.get(path) for _ in range(5)] == ["first"] * 5
    assert read.reads == 1
    replace(path, "other", seconds_ago=30)
    assert [remembered.get(path) for _ in range(5)] == ["other"] * 5
    assert read.reads == 2


def test_what_changed_just_now_may_change_again_unseen_and_is_not_relied_upon(tmp_path: Path) -> None:
    read, path = Reader(), tmp_path / "file"
    remembered = Remembered(read)
    replace(path, "first", seconds_ago=0)
    before = path.stat()
    assert remembered.get(path) == "first"
    path.write_text("other")
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert remembered.get(path) == "other"


def test_what_is_gone_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "file"
    remembered = Remembered(Reader())
    replace(path, "first", seconds_ago=60)
    remembered.get(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        remembered.get(path)
