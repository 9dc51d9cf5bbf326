"""What it is a fault of that a file cannot be read: the file, or the machine and its mounts."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import BadSourceError, SourceLostError, UnusablePhotoError
from pipeline.photos.local_files import LocalFiles

# Nothing is mapped at the lowest addresses: reading there is an I/O error, as of a disk that fails.
FAILING = LocalFiles(Path("/proc/self")), "mem"


@contextmanager
def no_file_more() -> Iterator[None]:
    """This process may open no file more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def num_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_disk_that_fails_is_no_fault_of_a_photo() -> None:
    files, path = FAILING
    with pytest.raises(SourceLostError, match=r"/proc/self/mem cannot be read: Input/output error: .*again$"):
        files.read_range(path, 0, 10)


def test_disk_that_fails_is_no_fault_of_a_list_or_an_archive() -> None:
    files, path = FAILING
    for read in (lambda file: file.read(), lambda file: file.read(10), lambda file: file.readline()):
        with files.open(path) as file, pytest.raises(SourceLostError, match="Input/output error"):
            read(file)


def test_process_with_too_many_open_files_blames_no_file(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"photo")
    files = LocalFiles(tmp_path)
    for read in (files.read, files.open):
        with (
            no_file_more(),
            pytest.raises(SourceLostError, match=r"1\.jpg cannot be read: Too many open files"),
        ):
            read("1.jpg")
    assert files.read("1.jpg") == b"photo"


@pytest.mark.parametrize("path", ["absent", "file/inside", "loop", "long" * 100, "nul\0"])
def test_file_that_is_not_there_is_at_fault_itself(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_bytes(b"photo")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UnusablePhotoError, match="unreadable"):
        LocalFiles(tmp_path).read(path)
    with pytest.raises(BadSourceError, match="cannot be read"):
        LocalFiles(tmp_path).open(path)


def test_open_file_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    content = os.urandom(100_000)
    (tmp_path / "tar").write_bytes(content)
    before = num_open_files()
    with LocalFiles(tmp_path).open("tar") as file:
        assert file.seekable()
        file.seek(70_000)
        assert file.read(10) == content[70_000:70_010]
        assert file.tell() == 70_010
        assert file.read() == content[70_010:]
        file.seek(-5, os.SEEK_END)
        assert file.read(10) == content[-5:]
        file.seek(0)
        assert file.read() == content
    assert num_open_files() == before
