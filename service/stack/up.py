"""The whole stack on this machine: a Ray head, the serving process and the API, watched over together."""

from __future__ import annotations

import fcntl
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import structlog
from pydantic import SecretStr

from pipeline.storage.trial import try_storage
from service.errors import StackError
from service.http.grace import grace_seconds
from service.http.listener import listen
from service.huge_pages import HUGE_PAGES
from service.settings import Settings
from service.stack.free_port import free_port
from service.stack.processes import TERMINATE_SECONDS, Child, Command
from service.stack.ray_head import ray_head

log = structlog.get_logger()

READY_SECONDS = 120.0
LOOK_SECONDS = 0.2


class Stack:
    """Three children and where to find them. `local_stack` starts and ends one."""

    def __init__(self, settings: Settings, children: list[Child]) -> None:
        self.settings = settings
        self.children = children

    @property
    def url(self) -> str:
        return self.settings.api_url

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.command.name == name)

    def wait_until_ready(self) -> None:
        """Returns when every part answers; raises `StackError` when one ends or the time is over."""
        deadline = time.monotonic() + READY_SECONDS
        answer = "no answer yet"
        while time.monotonic() < deadline:
            for child in self.children:
                if not child.is_alive:
                    raise StackError(
                        f"{child.command.name} ended while starting: {child.last_words()}"
                        f" (all of it in {child.command.log})"
                    )
            try:
                response = httpx.get(f"{self.url}/readyz", timeout=10)
            except httpx.HTTPError:
                pass
            else:
                if response.is_success:
                    return
                answer = response.text
            time.sleep(0.3)
        raise StackError(f"the stack is not ready after {READY_SECONDS:.0f} s: {answer}")

    def revive(self) -> None:
        """Starts again whatever has ended."""
        for child in self.children:
            if not child.is_alive:
                log.warning("child_restarted", name=child.command.name, log=str(child.command.log))
                child.restart()


@contextmanager
def local_stack(settings: Settings) -> Iterator[Stack]:
    """Starts the stack, yields it ready, and leaves no process behind.

    Raises `StackError` for a taken port, a home that another stack uses, or a part that does not start, and
    `StorageUnavailableError` for object storage that cannot be used.
    """
    if settings.storage is not None:
        try_storage(settings.storage)
    settings.home.mkdir(parents=True, exist_ok=True)
    listen(settings.host, settings.port).close()
    with ExitStack() as ending:
        ending.enter_context(_alone_in(settings.home))
        stack = Stack(_with_addresses(settings), [])
        for command in _commands(stack.settings):
            child = Child(command)
            ending.callback(child.end)
            stack.children.append(child)
        stack.wait_until_ready()
        yield stack


def run(settings: Settings) -> None:
    """`tandem up`: the stack, each part started again when it ends, until SIGINT or SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with local_stack(settings) as stack:
        log.info("stack_ready", url=stack.url, home=str(settings.home))
        while not ended.wait(LOOK_SECONDS):
            stack.revive()
        log.info("stack_ending")


def _with_addresses(settings: Settings) -> Settings:
    """The settings as every part of this stack sees them: Ray and serving on ports that are free."""
    return settings.model_copy(
        update={
            "url": None,
            "ray_url": f"http://127.0.0.1:{free_port()}",
            "ray_token": SecretStr(secrets.token_urlsafe(32)),
            "serving_url": f"http://127.0.0.1:{free_port()}",
        }
    )


def _commands(settings: Settings) -> list[Command]:
    assert settings.ray_token is not None
    dashboard, serving = httpx.URL(settings.ray_url).port, httpx.URL(settings.serving_url).port
    assert dashboard is not None
    token = settings.ray_token.get_secret_value()
    tandem = str(Path(sys.executable).with_name("tandem"))
    of_node = {"TANDEM_CACHE": str(settings.cache)}
    if settings.cache_bytes is not None:
        of_node["TANDEM_CACHE_BYTES"] = str(settings.cache_bytes)
    environment = {
        "TANDEM_HOME": str(settings.home),
        "TANDEM_HOST": settings.host,
        "TANDEM_PORT": str(settings.port),
        "TANDEM_RAY_URL": settings.ray_url,
        "TANDEM_RAY_TOKEN": token,
        "TANDEM_SERVING_URL": settings.serving_url,
        "TANDEM_SOURCE_ROOTS": ":".join(settings.source_roots),
        "TANDEM_STORAGE": settings.storage or "",
        **of_node,
    }
    logs = settings.logs
    answered_seconds = grace_seconds(settings.request_seconds) + TERMINATE_SECONDS
    serve = [tandem, "serve", "--host", "127.0.0.1", "--port", str(serving)]
    return [
        ray_head(settings.home, dashboard, token, of_node),
        Command("serving", serve, {**environment, **HUGE_PAGES}, logs / "serving.log", answered_seconds),
        Command("api", [tandem, "api"], environment, logs / "api.log", answered_seconds),
    ]


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    with (home / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"another stack is running in {home}: use it, stop it, or choose another folder with --home"
            ) from None
        yield
