"""The stack that the demo runs on: processes of this machine, or docker-compose's containers."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from service.cli.demo_photos import DemoPhotos
from service.cli.output import remarks
from service.cli.steps import Steps
from service.errors import StackError
from service.http.listener import listen
from service.settings import Settings
from service.source_roots import resolved
from service.stack.compose import ComposeStack
from service.stack.free_port import free_port
from service.stack.up import local_stack

PROJECT: Final = "tandem-demo"
# Where docker-compose.yml mounts TANDEM_PHOTOS.
PHOTOS_IN_CONTAINERS: Final = Path("/photos")


class DemoStack(NamedTuple):
    """A stack that is up: where it answers, with what token, and the demo's photos as it sees them."""

    url: str
    token: str | None
    photos: DemoPhotos


def start_processes(steps: Steps, ending: ExitStack, home: Path | None, photos: DemoPhotos) -> DemoStack:
    """Ray, API and serving as `tandem up` runs them, until `ending` ends."""
    with steps.step("start") as step:
        settings = demo_settings(home, photos.folder)
        stack = ending.enter_context(local_stack(settings))
        step.result = f"Ray, API and serving at {stack.url}, all they keep in {settings.home}"
    return DemoStack(stack.url, settings.token.get_secret_value() if settings.token else None, photos)


def start_containers(steps: Steps, ending: ExitStack, photos: DemoPhotos) -> DemoStack:
    """Containers of a docker-compose project, from the checkout around, until `ending` takes them away."""
    stack = ComposeStack(Path.cwd(), PROJECT, {"TANDEM_PHOTOS": str(photos.folder)})
    if any(state.startswith("Up") for state in stack.states().values()):
        raise StackError(
            f"a demo is up already: end it first with Ctrl-C there, or 'docker compose -p {PROJECT} down -v'"
        )
    with steps.step("images") as step:
        stack.make_images(remarks.print)
        step.result = "built, or as they were"
    # What an earlier demo that was killed has left.
    stack.down(volumes=True)
    with steps.step("start") as step:
        ending.callback(partial(stack.down, volumes=True))
        healthy = stack.up()
        timeline = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in healthy.items())
        step.result = f"{timeline}: at {stack.url}"
    return DemoStack(stack.url, stack.token, photos._replace(folder=PHOTOS_IN_CONTAINERS))


def demo_settings(home: Path | None, photos: Path) -> Settings:
    """The environment's settings for a server of the demo's own: loopback, a free port, and these photos."""
    given: dict[str, Any] = {"url": None, "host": "127.0.0.1", "source_roots": (resolved(str(photos)),)}
    if home is not None:
        given["home"] = home
    settings = Settings(**given)
    try:
        listen(settings.host, settings.port).close()
    except StackError:
        port = free_port()
        remarks.print(f"port {settings.port} is taken: using {port}")
        return Settings(**given, port=port)
    return settings
