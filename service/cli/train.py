"""`tandem train`: a training run from options, a file, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from service.cli.connection import connect
from service.cli.errors import BadArgumentsError, BadSpecFileError
from service.cli.follow import follow
from service.cli.output import print_json, remarks, results
from service.client import Client
from service.domain.answers import Run


def train(
    dataset: Annotated[str | None, typer.Option(help="The dataset to train on.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model preset: alexnet, alexnet-half, alexnet-tiny, alexnet-tiny-half, cifar-4layer."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Recipe preset: paper, original, large-batch, quick.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training photos.")] = None,
    workers: Annotated[
        str | None, typer.Option(help="Workers, each with the whole network: a number, or a range as 1-4.")
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(help="A run specification in YAML; options override it.")
    ] = None,
    follow_run: Annotated[bool, typer.Option("--follow", help="Show the run until it is over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as one JSON object.")] = False,
) -> None:
    """Start a training run.

    Prints the run's id. With --follow, exits 0 only when the run succeeds; Ctrl-C leaves it training.
    """
    wanted = specification(spec, dataset=dataset, model=model, recipe=recipe, epochs=epochs, workers=workers)
    with connect() as client:
        run = client.runs.create(wanted)
        if not as_json:
            results.print(run.id)
        if follow_run:
            run = _follow_unless_interrupted(client, run.id)
    if as_json:
        print_json(run.model_dump(mode="json"))
    elif not follow_run:
        remarks.print(f"{run.state}; see it with: tandem status {run.id}")


def _follow_unless_interrupted(client: Client, run_id: str) -> Run:
    try:
        return follow(client, run_id)
    except KeyboardInterrupt:
        remarks.print(
            f"the run goes on; see it with: tandem status {run_id}; stop it with: tandem stop {run_id}"
        )
        raise


def specification(
    file: Path | None,
    *,
    dataset: str | None = None,
    model: str | None = None,
    recipe: str | None = None,
    epochs: int | None = None,
    workers: str | None = None,
) -> dict[str, Any]:
    """What the server is asked for: the file's content, with the options in their places.

    Raises `BadSpecFileError` for a file that is no specification and `BadArgumentsError` without a dataset.
    """
    wanted = _read(file) if file else {}
    for place, value in (
        (("dataset",), dataset),
        (("model", "preset"), model),
        (("recipe", "preset"), recipe),
        (("recipe", "epochs"), epochs),
        *_workers(workers),
    ):
        if value is not None:
            _put(wanted, place, value)
    if "dataset" not in wanted:
        raise BadArgumentsError("no dataset to train on: give --dataset, or a --spec that names one")
    return wanted


def _workers(wanted: str | None) -> list[tuple[tuple[str, ...], int]]:
    """Places of a number of workers, such as 2, or of a range of them, such as 1-4."""
    if wanted is None:
        return []
    try:
        numbers = [int(number) for number in wanted.split("-")]
    except ValueError:
        numbers = []
    match numbers:
        case [number]:
            return [(("resources", "num_workers"), number)]
        case [fewest, most]:
            return [(("resources", "elastic", "min"), fewest), (("resources", "elastic", "max"), most)]
    raise BadArgumentsError(f"--workers {wanted} is neither a number of workers nor a range such as 1-4")


def _read(file: Path) -> dict[str, Any]:
    try:
        spec = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSpecFileError(f"{file} is not YAML: {error}") from error
    if not isinstance(spec, dict):
        raise BadSpecFileError(f"{file} is no mapping: write 'dataset: NAME' and what else the run needs")
    return spec


def _put(spec: dict[str, Any], place: tuple[str, ...], value: object) -> None:
    *sections, field = place
    for section in sections:
        spec = spec.setdefault(section, {})
        if not isinstance(spec, dict):
            raise BadSpecFileError(f"{section} in the specification is no mapping: write its fields below it")
    spec[field] = value
