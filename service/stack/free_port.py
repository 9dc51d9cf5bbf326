"""Ports for servers that are about to start."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

# Below those that Linux gives, unless it is told otherwise, and above most that servers are known by.
_CHOSEN_PORTS: Final = range(20_000, 32_768)
_GIVEN_PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port nobody listens on now, and that Linux gives to nobody who asks for any: Ray asks for many.

    Where it leaves none to choose from, one that it gives.
    """
    given_from = int(_GIVEN_PORTS.read_text().split()[0])
    for port in random.sample(_CHOSEN_PORTS, len(_CHOSEN_PORTS)):
        if port < given_from and _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        given: int = probe.getsockname()[1]
        return given


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
