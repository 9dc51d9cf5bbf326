"""What looks around on one node of a cluster, for `tandem doctor --cluster`."""

from __future__ import annotations

import platform
import random
import shutil
import socket
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import ray
import torch

from pipeline.errors import NodeCacheUnusableError, StorageUnavailableError
from pipeline.storage.node_cache import NodeCache
from pipeline.storage.trial import try_storage

_LIBRARIES: Final = ("tandem", "torch", "ray", "ffcv", "numpy")
# Where Ray's own workers listen, so what is open between nodes if anything is.
_WORKER_PORTS: Final = range(10002, 20000)
_PORTS_TRIED: Final = 50
_CONNECT_SECONDS: Final = 5.0
# A network file system may show a new file a while later.
_SEEN_SECONDS: Final = 40.0


class Lookout:
    """An actor, pinned to the node that it tells of."""

    def __init__(self, marks: str, name: str, storage: str | None) -> None:
        self._marks, self._name, self._storage = Path(marks), name, storage
        self._listener: socket.socket | None = None

    def describe(self) -> dict[str, Any]:
        """What a report has that takes no other node."""
        return {
            "versions": {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
            "gpus_seen": torch.cuda.device_count(),
            "shared_memory_bytes": shutil.disk_usage("/dev/shm").total if Path("/dev/shm").is_dir() else 0,
            "home_refusal": self._leave_mark(),
            "storage_refusal": self._try_storage(),
        }

    def listen(self) -> tuple[str, int]:
        """Address and port at which the others may try to connect."""
        address = ray.util.get_node_ip_address()
        for port in random.sample(_WORKER_PORTS, _PORTS_TRIED):
            try:
                self._listener = socket.create_server((address, port))
            except OSError:
                continue
            return address, port
        raise OSError(f"none of {_PORTS_TRIED} ports of {_WORKER_PORTS} is free on {address}")

    def unreached(self, others: Mapping[str, tuple[str, int]]) -> list[str]:
        """The names of those that it cannot connect to."""
        return [name for name, address in others.items() if not _connects(address)]

    def marks_missed(self, names: Iterable[str]) -> list[str]:
        """Whose marks below the home are not to be seen from here."""
        until = time.monotonic() + _SEEN_SECONDS
        while missed := [name for name in names if not (self._marks / name).exists()]:
            if time.monotonic() > until:
                break
            time.sleep(0.5)
            # Listing a folder is what makes a network file system ask anew.
            list(self._marks.parent.iterdir())
        return missed

    def clock(self) -> float:
        return time.time()

    def _try_storage(self) -> str | None:
        if self._storage is None:
            return None
        try:
            try_storage(self._storage)
            NodeCache.of_this_node()
        except (StorageUnavailableError, NodeCacheUnusableError) as error:
            return str(error)
        return None

    def _leave_mark(self) -> str | None:
        try:
            self._marks.mkdir(parents=True, exist_ok=True)
            (self._marks / self._name).write_bytes(b"")
        except OSError as error:
            return str(error)
        return None


def _connects(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
