"""The contenders of `bench_serving.py` seen from outside: servers of one model, up while a block runs."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import psutil
from api_processes import Server, serving

from pipeline.shards.cluster import LOOPBACK_ALONE
from service.stack.free_port import free_port

HERE: Final = Path(__file__).parent
CONTENDERS: Final = HERE / "serving_contenders"
PEERS_BIN: Final = HERE.parents[1] / ".venv-serving-peers" / "bin"
# Whose code answers in a server: all of it this project's, its network alone, or none of it.
PUBLISHED, PILLOW, NAIVE = "published", "pillow", "naive"
# How a photo is posted: as the body, or as a form's field of another name.
RAW: Final = "raw"

# What Ray Serve's guide to performance sets where, as here, nothing blocks an event loop.
_RAY_SETTINGS: Final = MappingProxyType(
    {
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
        "RAY_SERVE_LOG_TO_STDERR": "0",
    }
)
_QUIET: Final = MappingProxyType({"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1"})


class Script(NamedTuple):
    """A peer: how it is started for a port, where it says that it is ready, and how it wants a photo."""

    command: Callable[[str, Path, int], list[str]]
    ready: str = "/health"
    form: str = RAW
    settings: Mapping[str, str] = MappingProxyType({})


class Posted(NamedTuple):
    """A server that is up, and where and how photos are posted to it."""

    server: Server
    url: str
    form: str


def _python(name: str) -> Callable[[str, Path, int], list[str]]:
    return lambda code, folder, port: [
        str(PEERS_BIN / "python"),
        str(CONTENDERS / f"{name}.py"),
        code,
        str(folder),
        str(port),
    ]


def _bentoml(code: str, folder: Path, port: int) -> list[str]:
    options = {"host": "127.0.0.1", "port": port, "working-dir": CONTENDERS, "arg": f"code={code}"}
    return [
        *(str(PEERS_BIN / "bentoml"), "serve", "bentoml_service:Classify"),
        *(f"--{name}={value}" for name, value in options.items()),
        f"--arg=folder={folder}",
    ]


PEERS: Final[Mapping[str, Script]] = MappingProxyType(
    {
        "litserve": Script(_python("litserve_server")),
        "bentoml": Script(_bentoml, ready="/readyz", form="photos"),
        "ray": Script(_python("ray_serve_server"), ready="/-/healthz", settings=_RAY_SETTINGS),
        "fastapi": Script(_python("fastapi_server")),
    }
)


@contextmanager
def tandem(home: Path, model: str, processes: int = 1) -> Iterator[Posted]:
    """`tandem serve` over a home, from when it answers."""
    command = [str(Path(sys.executable).with_name("tandem")), "serve", "--home", str(home)]
    command += ["--processes", str(processes)]
    port = free_port()
    with serving([*command, "--port", str(port)], port, "/readyz") as server:
        yield Posted(server, f"{server.url}/api/v1/models/{model}/classify", RAW)


@contextmanager
def peer(name: str, code: str, folder: Path) -> Iterator[Posted]:
    """A peer with the model in a folder, from when it answers. What it writes is gone afterwards."""
    script, port = PEERS[name], free_port()
    # Ray's sockets lie below it, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as temporary:
        settings = {
            **_QUIET,
            **LOOPBACK_ALONE,
            **script.settings,
            "RAY_AUTH_TOKEN": secrets.token_urlsafe(32),
            "PYTHONPATH": f"{HERE.parents[1]}:{HERE}:{CONTENDERS}",
            "TMPDIR": temporary,
            "BENTOML_HOME": f"{temporary}/bentoml",
        }
        with serving(script.command(code, folder, port), port, script.ready, settings) as server:
            yield Posted(server, f"{server.url}/classify", script.form)


def post_photos(
    posted: Posted, work: Path, expected: str, clients: int, seconds: tuple[float, float], requests: int = 0
) -> dict[str, float]:
    """What the clients measured, from a process of their own; `seconds` are the warm-up's and the rest."""
    arguments = (
        posted.url,
        posted.form,
        work / "photos",
        work / f"{expected}.json",
        clients,
        *seconds,
        requests,
    )
    command = [sys.executable, str(CONTENDERS / "clients.py"), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def resident_bytes(pid: int) -> int:
    """Of a process and all it has started; what they share counts for each of them."""
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
