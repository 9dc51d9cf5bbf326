"""The cluster under test: three training workers, two serving replicas, and what can be done to them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from service.client import Client
from service.stack.compose import ComposeStack

CHECKOUT: Final = Path(__file__).resolve().parents[3]
SCALE: Final = {"ray-worker": 3, "serving": 2}
BACK_SECONDS: Final = 180.0
# In the image, and with the process numbers of the whole machine in sight.
_KILL: Final = "import os, sys; os.kill(int(sys.argv[1]), 9)"
_COUNT_WORKERS: Final = """
from service.cluster.jobs import RayCluster
from service.settings import Settings
settings = Settings()
nodes = RayCluster(settings.ray_url, settings.ray_token).resources().nodes
print(sum(node.cpus > 0 for node in nodes))
"""


class Cluster:
    """Containers of `docker-compose up`, and a client of the one port they publish."""

    def __init__(self, project: str, photos: Path, overlays: Sequence[Path] = ()) -> None:
        # One CPU for each worker's container, so that three workers are in three of them.
        environment = {"TANDEM_PHOTOS": str(photos), "TANDEM_WORKER_CPUS": "1"}
        self.stack = ComposeStack(CHECKOUT, project, environment, overlays)
        self.client = Client(self.stack.url, self.stack.token)

    def up(self, scale: Mapping[str, int] = SCALE) -> dict[str, float]:
        return self.stack.up(scale)

    def close(self) -> None:
        self.client.close()
        self.stack.down(volumes=True)

    def name(self, container: str) -> str:
        """What docker calls `ray-worker_2`: Compose of different ages joins the parts differently."""
        service, _, number = container.rpartition("_")
        names = docker(
            "ps", "-a", "--format", "{{.Names}}",
            "--filter", f"label=com.docker.compose.project={self.stack.project}",
            "--filter", f"label=com.docker.compose.service={service}",
            "--filter", f"label=com.docker.compose.container-number={number}",
        ).split()  # fmt: skip
        (name,) = names
        return name

    def look(self, container: str) -> dict[str, Any]:
        """What `docker inspect` says of a container."""
        (found,) = json.loads(docker("inspect", self.name(container)))
        return dict(found)

    def crash(self, container: str) -> None:
        """Ends all its processes as a fault does, and not as an operator: docker is to start it again."""
        process = self.look(container)["State"]["Pid"]
        image = self.look("api_1")["Config"]["Image"]
        docker(
            "run", "--rm", "--pid=host", "--user=0", "--no-healthcheck", "--entrypoint=python3",
            image, "-c", _KILL, str(process),
        )  # fmt: skip

    def restart(self, container: str) -> None:
        docker("restart", "-t", "0", self.name(container))

    def cut_off(self, container: str) -> None:
        docker("network", "disconnect", self.network, self.name(container))

    def join(self, container: str) -> None:
        alias = container.rpartition("_")[0]
        docker("network", "connect", "--alias", alias, self.network, self.name(container))

    def run_in(self, container: str, *command: str) -> str:
        return docker("exec", self.name(container), *command)

    def wait_until_whole(self) -> None:
        """Returns when every container is up and healthy and the API ready."""
        self.stack.wait_until_ready()

    def wait_for_workers(self, count: int) -> None:
        """Returns when so many nodes that train are known to Ray's head again."""
        deadline = time.monotonic() + BACK_SECONDS
        while self._workers() < count:
            assert time.monotonic() < deadline, f"{self._workers()} of {count} workers are back"
            time.sleep(1)

    @property
    def network(self) -> str:
        return f"{self.stack.project}_default"

    def _workers(self) -> int:
        try:
            return int(self.run_in("api_1", "python3", "-c", _COUNT_WORKERS))
        except subprocess.CalledProcessError:
            return 0


def docker(*arguments: str) -> str:
    ended = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise subprocess.CalledProcessError(ended.returncode, arguments, ended.stdout, ended.stderr)
    return ended.stdout
