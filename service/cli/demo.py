"""`tandem demo`: from photos to answers over HTTP, through the same doors as any user."""

from __future__ import annotations

import contextlib
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from service.cli.bars import top_bars
from service.cli.demo_photos import HeldOut, cache_folder, find_photos, held_out
from service.cli.demo_stack import start_containers, start_processes
from service.cli.demo_training import MODEL, prepare_photos, publish_model, train_network
from service.cli.errors import BadArgumentsError
from service.cli.output import remarks, results
from service.cli.server_options import Home
from service.cli.steps import Steps
from service.client import Client

SHOWN_PHOTOS = 3


def demo(
    data: Annotated[Path | None, typer.Option(help="Your photos: one folder per class.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running until Ctrl-C.")] = False,
    compose: Annotated[
        bool, typer.Option("--compose", help="In docker-compose's containers; run it in a checkout.")
    ] = False,
    home: Home = None,
) -> None:
    """Go from photos to answers over HTTP, once.

    Prepares photos, trains a small AlexNet on them with two workers, publishes it and classifies three
    photos that it has never seen. Without --data the photos are Imagenette's, or scikit-learn's digits where
    those cannot be had. Leaves nothing running unless told to.
    """
    if compose and home is not None:
        raise BadArgumentsError(
            "--home is of no use with --compose: containers keep what they make in a volume"
        )
    # The stack belongs to this process, so a request to end is an interrupt: it must take the stack along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    steps = Steps(total=7 if compose else 6)
    with ExitStack() as ending:
        with steps.step("photos") as step:
            photos = find_photos(data, cache_folder(), remarks.print)
            step.result = photos.description
        if compose:
            stack = start_containers(steps, ending, photos)
        else:
            stack = start_processes(steps, ending, home, photos)
        client = ending.enter_context(Client(stack.url, stack.token))
        with steps.step("prepare") as step:
            step.result = prepare_photos(client, stack.photos)
        with steps.step("train") as step:
            run, step.result = train_network(client)
        with steps.step("publish") as step:
            step.result = publish_model(client, run)
        with steps.step("classify") as step:
            shown = held_out(photos, SHOWN_PHOTOS)
            right = classify_photos(client, shown)
            step.result = f"{right} of {len(shown)} photos it had never seen named right, over HTTP"
        results.print(f"all in {time.monotonic() - began:.0f} s; the web page: {stack.url}/")
        if keep:
            wait(stack.url, stack.token)
        remarks.print("stopping the stack")


def classify_photos(client: Client, photos: list[HeldOut]) -> int:
    """Shows each photo's likeliest classes beside its true one; returns how many it got right."""
    answer = client.classify([photo.path for photo in photos], model=MODEL)
    right = 0
    for photo, prediction in zip(photos, answer.predictions, strict=True):
        right += prediction.top_k[0].label == photo.label
        results.print(f"\n{photo.path}: {photo.label}")
        results.print(top_bars(prediction.top_k, truth=photo.label))
    results.print()
    return right


def wait(url: str, token: str | None) -> None:
    """Returns when interrupted."""
    with_token = f" TANDEM_TOKEN={token}" if token else ""
    remarks.print(f"the stack stays up until Ctrl-C; try: TANDEM_URL={url}{with_token} tandem runs")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
