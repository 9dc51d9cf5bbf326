"""The Ray that shards are written on: the cluster that RAY_ADDRESS names, or one of this machine's own."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final, NamedTuple

from pipeline.errors import PreparationFailedError
from pipeline.own_folder import is_own

# A Ray of one machine that nobody else can reach: docs/adr/0006.
LOOPBACK_ALONE: Final = MappingProxyType(
    {
        # Ray listens on every address of a Linux machine, whatever address its node is given, unless its
        # switch for machines that never join a cluster says so.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "GLOO_SOCKET_IFNAME": "lo",
        "RAY_AUTH_MODE": "token",
        # Disabled usage reports still send one; this sends it nowhere.
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",
    }
)
_OBJECT_STORE_BYTES: Final = 80 * 2**20
_FOLDER_PREFIX: Final = "tandem-prepare-"


class Cluster(NamedTuple):
    """Ray, connected, and how many shards are to be written on it at a time."""

    ray: ModuleType
    workers: int


@contextmanager
def ray_cluster(workers: int | None, num_shards: int) -> Iterator[Cluster]:
    """Connects to Ray: the one this process is connected to, the one at RAY_ADDRESS, or one started for this.

    A Ray started for this has one CPU per worker, listens on loopback alone, and is gone afterwards.
    Raises `PreparationFailedError` when Ray cannot be had, or has no CPU.
    """
    elsewhere = "RAY_ADDRESS" in os.environ
    if not elsewhere:
        os.environ.update(LOOPBACK_ALONE)
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_urlsafe(32))
    # Ray reads its environment when it is imported, and takes longer to import than all else here.
    import ray

    if ray.is_initialized():
        yield _sized(ray, workers)
    elif elsewhere:
        with _connected(ray):
            yield _sized(ray, workers)
    else:
        at_a_time = min(workers or os.cpu_count() or 1, num_shards)
        with (
            _temporary_folder() as folder,
            _connected(
                ray,
                address="local",
                num_cpus=at_a_time,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                # Ray lets everybody into the folder that it is given; the one around it lets nobody in.
                _temp_dir=f"{folder}/r",
            ),
        ):
            yield Cluster(ray, at_a_time)


@contextmanager
def _temporary_folder() -> Iterator[str]:
    """A folder for Ray's sockets and logs, gone afterwards; those that killed preparations left go too."""
    # Not below the dataset: a socket's path must stay under 108 bytes.
    for lock_file in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*/lock"):
        with suppress(OSError):
            # Somebody else's may be a pipe, whose opening would never end.
            if is_own(lock_file.parent):
                _clear(lock_file)
    folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX)
    try:
        with (Path(folder) / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear(lock_file: Path) -> None:
    """Removes the folder around a lock; raises OSError where somebody holds it."""
    with lock_file.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock_file.parent, ignore_errors=True)


@contextmanager
def _connected(ray: ModuleType, **options: object) -> Iterator[None]:
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise PreparationFailedError(f"Ray cannot be reached or started: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _sized(ray: ModuleType, workers: int | None) -> Cluster:
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus == 0:
        raise PreparationFailedError("the Ray cluster has no CPU to prepare photos with: add a worker node")
    return Cluster(ray, workers or cpus)
