"""`tandem classify`: what photos show, asked over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.bars import top_bars
from service.cli.connection import connect
from service.cli.errors import BadArgumentsError
from service.cli.output import print_json, results


def classify(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    model: Annotated[str | None, typer.Option(help="Which model; by default the server's.")] = None,
    views: Annotated[int, typer.Option(help="1: the centre. 10: corners, centre and flips, averaged.")] = 1,
    top_k: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")] = False,
) -> None:
    """Say what photos show."""
    if views not in (1, 10):
        raise BadArgumentsError(f"--views {views} is neither 1 nor 10")
    with connect() as client:
        answer = client.classify(images, model=model, top_k=top_k, views=views)
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    for image, prediction in zip(images, answer.predictions, strict=True):
        results.print(f"{image} ({answer.model} version {answer.version})")
        results.print(top_bars(prediction.top_k))
