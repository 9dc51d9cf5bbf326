"""A Ray head on this machine alone: its ports free ones, its Jobs API behind a token."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.own_folder import make_private
from pipeline.shards.cluster import LOOPBACK_ALONE
from service.errors import StackError
from service.stack.free_port import free_port
from service.stack.processes import Command

OBJECT_STORE_BYTES = 256 * 2**20


def ray_head(home: Path, dashboard_port: int, token: str, of_node: Mapping[str, str]) -> Command:
    """The command that runs a head until it is ended; nothing of it listens beyond loopback.

    `of_node` is what its jobs are to find in their environment. Raises `StackError` where its sockets have no
    place that is this user's alone.
    """
    binaries = Path(sys.executable).parent
    options = {
        "port": free_port(),
        "dashboard-host": "127.0.0.1",
        "dashboard-port": dashboard_port,
        "dashboard-agent-listen-port": free_port(),
        "ray-client-server-port": free_port(),
        "min-worker-port": 0,
        "max-worker-port": 0,
        "object-store-memory": OBJECT_STORE_BYTES,
        "temp-dir": _temporary(home),
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    return Command(
        name="ray",
        arguments=[str(binaries / "ray"), "start", "--head", "--block", "--disable-usage-stats", *arguments],
        environment={
            # Jobs are console scripts of this environment.
            "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",
            **LOOPBACK_ALONE,
            "RAY_AUTH_TOKEN": token,
            # Nothing here would use the half minute that a node waits for others to take its work over.
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
            **of_node,
        },
        log=home / "logs" / "ray.log",
    )


def _temporary(home: Path) -> Path:
    # Ray lets everybody into the folder that it is given, and its name can be guessed: the one around it is
    # what keeps others out.
    private = Path(tempfile.gettempdir()) / f"tandem-ray-{os.geteuid()}"
    try:
        make_private(private)
    except OSError as error:
        raise StackError(
            f"{private} cannot hold Ray's sockets ({error.strerror}): have it removed, or set TMPDIR to a"
            " folder of your own with a short path"
        ) from error
    # Socket paths must stay under 108 bytes, which a folder below home may not allow. Ray adds up to 71:
    # /session_2026-01-01_00-00-00_000000_4194304/sockets/dash_TaskEventsHead.
    return private / hashlib.sha256(str(home).encode()).hexdigest()[:8]
