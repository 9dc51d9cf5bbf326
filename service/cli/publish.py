"""`tandem publish`: from a run's checkpoint to a model that answers."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.output import print_json, results


def publish(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    model: Annotated[str, typer.Option(help="The model to add a version to.")],
    checkpoint: Annotated[str | None, typer.Option(help="Which checkpoint; by default the last.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Publish a run's checkpoint as a model."""
    with connect() as client:
        version = client.models.publish(model, run_id, checkpoint)
    if as_json:
        print_json(version.model_dump(mode="json"))
    else:
        results.print(
            f"{version.name} version {version.version}: try it with 'tandem classify --model {model} PHOTO'"
        )
