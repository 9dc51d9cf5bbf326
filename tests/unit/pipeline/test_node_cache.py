"""Copies of stored files on a node: bounded, verified, shared, and never left behind by who was killed."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from object_server import BUCKET, ObjectServer, object_server

from pipeline.errors import NodeCacheFullError, NodeCacheUnusableError, StoredFileDamagedError
from pipeline.storage.node_cache import NodeCache
from pipeline.storage.stored_files import Checksum, StoredFile

MEBIBYTE = 2**20
# The client asks again where the server has closed a connection that was kept.
OF_ONE_FETCH = 2

# Holds a file of the cache, says so, and waits to be ended.
HOLDER = """
import sys, time
from pathlib import Path
from pipeline.storage.node_cache import NodeCache
from pipeline.storage.stored_files import Checksum, StoredFile

folder, limit, name, size, digest = sys.argv[1:]
file = StoredFile("s3://photos/set", name, int(size), Checksum("sha256", digest))
lease = NodeCache(Path(folder), int(limit)).lease([file])
print(lease.paths[name], flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with object_server() as server:
        yield server


@pytest.fixture
def store(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> ObjectServer:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


def put(store: ObjectServer, name: str, size_bytes: int = MEBIBYTE) -> StoredFile:
    content = os.urandom(size_bytes)
    store.put(f"set/{name}", content)
    return StoredFile(
        f"s3://{BUCKET}/set", name, size_bytes, Checksum("sha256", hashlib.sha256(content).hexdigest())
    )


def cached(folder: Path, *files: StoredFile) -> list[str]:
    """Names of those files that are in the cache."""
    return [file.name for file in files if (folder / "files" / str(file.checksum)).exists()]


@contextmanager
def holder(folder: Path, limit: int, file: StoredFile) -> Iterator[subprocess.Popen[str]]:
    arguments = [str(folder), str(limit), file.name, str(file.size_bytes), file.checksum.digest]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_file_is_what_is_in_storage_and_is_fetched_once(store: ObjectServer, tmp_path: Path) -> None:
    file = put(store, "once")
    for _ in range(3):
        with closing(NodeCache(tmp_path, None).lease([file])) as lease:
            assert lease.paths["once"].read_bytes() == store.get("set/once")
    assert 1 <= store.reads_of("set/once") - 3 <= OF_ONE_FETCH


def test_many_threads_and_two_processes_that_ask_at_once_fetch_once(
    store: ObjectServer, tmp_path: Path
) -> None:
    file = put(store, "wanted")
    cache = NodeCache(tmp_path, None)
    with holder(tmp_path, 10**9, file) as one, holder(tmp_path, 10**9, file) as other:
        with ThreadPoolExecutor(8) as threads:
            leases = list(threads.map(lambda _: cache.lease([file]), range(8)))
        for process in (one, other):
            assert process.stdout is not None
            assert Path(process.stdout.readline().strip()).read_bytes() == store.get("set/wanted")
    assert len({lease.paths["wanted"] for lease in leases}) == 1
    assert 1 <= store.reads_of("set/wanted") - 2 <= OF_ONE_FETCH


def test_equal_files_are_kept_once_whatever_their_names(store: ObjectServer, tmp_path: Path) -> None:
    file = put(store, "first")
    store.put("set/second", store.get("set/first"))
    asked = store.reads_of("set/first")
    lease = NodeCache(tmp_path, None).lease([file, file._replace(name="second")])
    assert lease.paths["first"] == lease.paths["second"]
    assert (store.reads_of("set/first") > asked) != (store.reads_of("set/second") > 0)


def test_the_least_recently_used_goes_first_and_the_bound_holds(store: ObjectServer, tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 3 * MEBIBYTE)
    files = [put(store, f"file-{number}") for number in range(4)]
    for number in (0, 1, 2, 0):
        cache.lease([files[number]]).close()
        # File systems count in grains of time.
        os.utime(tmp_path / "files" / str(files[number].checksum), (time.time(), time.time()))
        time.sleep(0.02)
    cache.lease([files[3]]).close()
    assert cached(tmp_path, *files) == ["file-0", "file-2", "file-3"]


def test_what_is_in_use_stays_and_what_does_not_fit_beside_it_is_refused_with_both_figures(
    store: ObjectServer, tmp_path: Path
) -> None:
    cache = NodeCache(tmp_path, 3 * MEBIBYTE)
    files = [put(store, f"used-{number}") for number in range(4)]
    with closing(cache.lease(files[:2])) as lease:
        with pytest.raises(NodeCacheFullError, match="raise TANDEM_CACHE_BYTES") as refused:
            cache.lease(files[2:])
        assert f"{2 * MEBIBYTE:,} bytes" in str(refused.value)
        assert f"{3 * MEBIBYTE:,} and has {2 * MEBIBYTE:,} in use" in str(refused.value)
        assert cached(tmp_path, *files) == ["used-0", "used-1"]
        assert lease.paths["used-0"].read_bytes() == store.get("set/used-0")
    cache.lease(files[2:]).close()
    assert {"used-2", "used-3"} <= set(cached(tmp_path, *files))


def test_a_lease_that_nobody_holds_any_more_has_ended(store: ObjectServer, tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, MEBIBYTE)
    lease = cache.lease([put(store, "dropped")])
    del lease
    cache.lease([put(store, "next")]).close()


def test_a_process_that_is_killed_holds_nothing(store: ObjectServer, tmp_path: Path) -> None:
    held, wanted = put(store, "held"), put(store, "wanted-too")
    cache = NodeCache(tmp_path, MEBIBYTE)
    with holder(tmp_path, MEBIBYTE, held) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with pytest.raises(NodeCacheFullError):
            cache.lease([wanted])
    cache.lease([wanted]).close()
    assert cached(tmp_path, held, wanted) == ["wanted-too"]


def test_a_download_that_was_killed_is_done_anew_and_leaves_nothing(
    store: ObjectServer, tmp_path: Path
) -> None:
    cache = NodeCache(tmp_path, None)
    # One that was over before it could be killed shows nothing.
    for name in map("large-{}".format, itertools.count()):
        file = put(store, name, 100 * MEBIBYTE)
        partial = tmp_path / "fetching" / str(file.checksum)
        with holder(tmp_path, 10**9, file) as process:
            while not partial.exists() and not cached(tmp_path, file):
                time.sleep(0.001)
            process.kill()
            process.wait()
            if not partial.exists():
                continue
            assert cached(tmp_path, file) == []
            with closing(cache.lease([file])) as lease:
                assert file.checksum.is_of(lease.paths[name])
        break
    assert list((tmp_path / "fetching").iterdir()) == []


def test_a_half_fetched_file_that_nobody_wants_makes_room_first(store: ObjectServer, tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 2 * MEBIBYTE)
    kept, wanted = put(store, "kept"), put(store, "new")
    cache.lease([kept]).close()
    left = tmp_path / "fetching" / "sha256-of-something"
    left.write_bytes(bytes(MEBIBYTE))
    cache.lease([wanted]).close()
    assert not left.exists()
    assert cached(tmp_path, kept, wanted) == ["kept", "new"]


def test_a_damaged_object_is_fetched_twice_and_then_refused_by_its_url(
    store: ObjectServer, tmp_path: Path
) -> None:
    file = put(store, "damaged")
    store.put("set/damaged", os.urandom(MEBIBYTE))
    cache = NodeCache(tmp_path, None)
    with pytest.raises(StoredFileDamagedError, match="s3://photos/set/damaged is not of checksum"):
        cache.lease([file])
    assert 2 <= store.reads_of("set/damaged") <= 2 * OF_ONE_FETCH
    assert cached(tmp_path, file) == []
    assert list((tmp_path / "fetching").iterdir()) == []


def test_a_missing_object_is_named(store: ObjectServer, tmp_path: Path) -> None:
    file = put(store, "there")._replace(name="gone")
    with pytest.raises(StoredFileDamagedError, match="s3://photos/set/gone is missing"):
        NodeCache(tmp_path, None).lease([file])


def test_scratch_goes_with_who_used_it_and_that_of_a_killed_process_with_the_next(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, None)
    left = tmp_path / "scratch" / "left"
    left.mkdir()
    (left / "half.beton").write_bytes(b"half")
    with cache.scratch() as one, cache.scratch() as other:
        assert not left.exists()
        (one / "a").write_bytes(b"a")
        assert other.exists()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_folder_of_somebody_else_is_no_cache(tmp_path: Path) -> None:
    with pytest.raises(NodeCacheUnusableError, match="set TANDEM_CACHE to another folder"):
        NodeCache(Path("/proc/1"), None)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NodeCacheUnusableError, match="set TANDEM_CACHE to another folder"):
        NodeCache(tmp_path / "file", None)
