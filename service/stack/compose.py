"""The stack in containers, as docker-compose.yml lays it out: brought up, looked at, taken away."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from service.errors import StackError
from service.stack.free_port import free_port

READY_SECONDS: Final = 180.0
LOOK_SECONDS: Final = 0.5
# Variables that docker-compose.yml does not start without: what `make env` writes.
_SECRET: Final = re.compile(r"\$\{(\w+):\?")
_POSTGRES: Final = "postgres:15-bookworm"
_POSTGRES_FROM_DEBIAN: Final = "tandem-postgres:15"
_FROM_DEBIAN: Final = Path("deploy/docker/from-debian")


class ComposeStack:
    """A project of docker-compose's over a checkout, beside any other: its port, volumes and secrets.

    `environment` holds more of the variables that docker-compose.yml reads, `overlays` more compose files.
    Everything raises `StackError` with what docker said.
    """

    def __init__(
        self,
        checkout: Path,
        project: str,
        environment: Mapping[str, str] | None = None,
        overlays: Sequence[Path] = (),
    ) -> None:
        file = checkout / "docker-compose.yml"
        if not file.is_file():
            raise StackError(f"no docker-compose.yml in {checkout}: run this in a checkout of Tandem")
        self._checkout = checkout
        self.project = project
        self._files = [option for path in (file, *overlays) for option in ("-f", str(path))]
        own = {name: secrets.token_urlsafe(32) for name in _SECRET.findall(file.read_text())} | {
            "TANDEM_PORT": str(free_port()),
            # Its volumes go with it, and with them the knowledge of what it would have put into a bucket.
            "TANDEM_STORAGE": "",
        }
        self._environment = own | dict(environment or {})
        self._compose = _compose_command()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._environment['TANDEM_PORT']}"

    @property
    def token(self) -> str:
        return self._environment["TANDEM_TOKEN"]

    def make_images(self, say: Callable[[str], None]) -> None:
        """Builds Tandem's image from the checkout, and has PostgreSQL's from its registry.

        Where that cannot be reached it is made from Debian's packages, and `say` is told so.
        """
        self.compose("build", "ray-head")
        if self._has_image(_POSTGRES) or self._succeeds("docker", "pull", "-q", _POSTGRES):
            return
        say(f"{_POSTGRES} cannot be had here: building {_POSTGRES_FROM_DEBIAN} from Debian's packages")
        file = _FROM_DEBIAN / "postgres.Dockerfile"
        self._run("docker", "build", "-q", "-f", str(file), "-t", _POSTGRES_FROM_DEBIAN, str(_FROM_DEBIAN))
        self._environment["POSTGRES_IMAGE"] = _POSTGRES_FROM_DEBIAN

    def up(self, scale: Mapping[str, int] | None = None) -> dict[str, float]:
        """Brings everything up; returns when it is ready: after how many seconds each container was."""
        began = time.monotonic()
        scaled = [
            option for name, count in (scale or {}).items() for option in ("--scale", f"{name}={count}")
        ]
        # It returns when those that others wait for are healthy: they are looked at meanwhile.
        with ThreadPoolExecutor(1) as beside:
            upping = beside.submit(self.compose, "up", "-d", "--no-build", *scaled)
            healthy: dict[str, float] = {}
            while not upping.done():
                self._note_healthy(healthy, began)
                time.sleep(LOOK_SECONDS)
            upping.result()
        return self.wait_until_ready(began, healthy)

    def wait_until_ready(
        self, began: float | None = None, healthy: dict[str, float] | None = None
    ) -> dict[str, float]:
        """Returns when every container is healthy and the API ready: after how many seconds each was."""
        began = time.monotonic() if began is None else began
        healthy = {} if healthy is None else healthy
        answer = "no answer yet"
        while time.monotonic() < began + READY_SECONDS:
            states = self._note_healthy(healthy, began)
            try:
                response = httpx.get(f"{self.url}/readyz", timeout=10)
                answer = response.text
                if response.is_success and all("(healthy)" in state for state in states.values()):
                    return {**healthy, "ready": time.monotonic() - began}
            except httpx.HTTPError:
                pass
            time.sleep(LOOK_SECONDS)
        raise StackError(f"not ready after {READY_SECONDS:.0f} s: {answer}; {self.states()}")

    def _note_healthy(self, healthy: dict[str, float], began: float) -> dict[str, str]:
        states = self.states()
        for name in (name for name, state in states.items() if "(healthy)" in state):
            healthy.setdefault(name, time.monotonic() - began)
        return states

    def states(self) -> dict[str, str]:
        """What docker says of each container, by its name within the project: `ray-worker_1`."""
        label = '{{.Label "com.docker.compose.%s"}}'
        shown = f"{label % 'service'}_{label % 'container-number'}\t{{{{.Status}}}}"
        of_project = f"label=com.docker.compose.project={self.project}"
        lines = self._run("docker", "ps", "-a", "--filter", of_project, "--format", shown).splitlines()
        return dict(sorted(line.split("\t", 1) for line in lines))

    def down(self, *, volumes: bool) -> None:
        """Takes the containers away, and with `volumes` all that they kept."""
        self.compose("down", *(["-v"] if volumes else []), "--remove-orphans", "-t", "10")

    def compose(self, *arguments: str) -> str:
        """Runs docker-compose on this project; returns what it printed."""
        return self._run(*self._compose, *self._files, "-p", self.project, *arguments)

    def _has_image(self, name: str) -> bool:
        return self._succeeds("docker", "image", "inspect", name)

    def _succeeds(self, *command: str) -> bool:
        return self._process(*command).returncode == 0

    def _run(self, *command: str) -> str:
        ended = self._process(*command)
        if ended.returncode:
            raise StackError(f"{' '.join(command[:2])} failed: {_last_words(ended.stderr or ended.stdout)}")
        return ended.stdout

    def _process(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self._environment}
        return subprocess.run(
            command, cwd=self._checkout, env=environment, capture_output=True, text=True, check=False
        )


def _compose_command() -> list[str]:
    """`docker compose`, or docker-compose where the engine is older."""
    if shutil.which("docker") is None:
        raise StackError(
            "no docker here: install Docker Engine, or 'apt-get install docker.io docker-compose'"
        )
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        raise StackError("docker's engine does not answer: start it, and see that this user may talk to it")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise StackError("neither 'docker compose' nor docker-compose is here: install one of them")


def _last_words(output: str) -> str:
    return " / ".join(output.strip().splitlines()[-3:])
