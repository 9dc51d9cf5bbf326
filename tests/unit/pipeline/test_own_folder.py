"""A folder at a name that others know is this user's alone, or it is not used."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.own_folder import is_own, make_own, make_private
from pipeline.shards.cluster import _temporary_folder

THEIRS = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


@pytest.fixture
def open_mask() -> Iterator[None]:
    mask = os.umask(0)
    yield
    os.umask(mask)


@pytest.mark.usefixtures("open_mask")
def test_a_folder_that_is_made_is_closed_to_others_and_is_found_so_again(tmp_path: Path) -> None:
    for _ in range(2):
        make_private(tmp_path / "ray")
    assert stat.S_IMODE((tmp_path / "ray").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o707, 0o777])
def test_one_that_is_open_to_others_is_not_private(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    make_own(tmp_path)
    with pytest.raises(PermissionError, match="mode 700"):
        make_private(tmp_path)


def test_what_is_no_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            make_own(tmp_path / name)


@as_root
def test_one_of_somebody_else_is_refused_and_so_is_their_link_to_ours(tmp_path: Path) -> None:
    theirs, ours, link = (tmp_path / name for name in ("theirs", "ours", "link"))
    for folder in (theirs, ours):
        folder.mkdir(mode=0o700)
    link.symlink_to(ours)
    assert is_own(link)
    for path in (theirs, link):
        os.chown(path, THEIRS, THEIRS, follow_symlinks=False)
        with pytest.raises(PermissionError, match="somebody else's"):
            make_own(path)


@as_root
def test_a_preparation_opens_nothing_that_others_have_left_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    theirs = tmp_path / "tandem-prepare-theirs"
    theirs.mkdir()
    # Whoever opens it to read waits for one who writes.
    os.mkfifo(theirs / "lock")
    os.chown(theirs, THEIRS, THEIRS)
    with _temporary_folder():
        pass
    assert theirs.is_dir()
