"""A stop that another machine asks for is seen on a file system that remembers what was not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.domain.job_folder import JobFolder
from service.training import stop_request
from service.training.stop_request import StopRequest


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only place."""
    now = [100.0]
    monkeypatch.setattr(stop_request, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for NFS: a file that was not there stays so until its folder is listed."""
    absent: set[str] = set()
    stat, listdir = os.stat, os.listdir

    def remembered_stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if str(path) in absent:
            raise FileNotFoundError(errno.ENOENT, "remembered", str(path))
        try:
            return stat(path, *arguments, **options)
        except FileNotFoundError:
            absent.add(str(path))
            raise

    def asking_listdir(path: Any = ".") -> list[str]:
        absent.difference_update({known for known in absent if Path(known).parent == Path(path)})
        return listdir(path)

    monkeypatch.setattr(os, "stat", remembered_stat)
    monkeypatch.setattr(os, "listdir", asking_listdir)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "run")
    folder.create({})
    return folder


def ask(folder: JobFolder) -> None:
    """As another machine does: this one's memory of the file is not touched."""
    os.close(os.open(folder.stop_request, os.O_CREAT | os.O_WRONLY))


def test_a_stop_is_seen_at_once_where_nothing_is_remembered(folder: JobFolder, seconds: list[float]) -> None:
    request = StopRequest(folder)
    assert not request.is_made()
    ask(folder)
    assert request.is_made()


def test_a_stop_is_seen_within_a_second_where_its_absence_is_remembered(
    folder: JobFolder, seconds: list[float], remembering: None
) -> None:
    request = StopRequest(folder)
    assert not request.is_made()
    ask(folder)
    assert not folder.stop_request.exists(), "it is remembered"
    seconds[0] += 1.0
    assert request.is_made()


def test_a_folder_that_is_away_for_a_while_asks_for_no_stop(tmp_path: Path, seconds: list[float]) -> None:
    assert not StopRequest(JobFolder(tmp_path / "away")).is_made()
