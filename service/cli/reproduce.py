"""`tandem reproduce`: one of the paper's claims, tried with small networks on small photos."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.errors import BadSourceError
from pipeline.shards.manifest import Manifest
from service.cli.errors import BadArgumentsError
from service.cli.output import duration, print_json, remarks, results
from service.cli.preparation_display import PreparationDisplay
from service.cli.reproduction_tables import arms_table, comparisons_table
from service.reproduction.claim import Form, FormName
from service.reproduction.claims import CLAIMS, ClaimName
from service.reproduction.document import document, measures_of
from service.reproduction.photos import PhotoSelection, prepare_photos
from service.reproduction.plot import plot_curves
from service.reproduction.reproduction import Reproduction, Setting
from service.reproduction.verdict import verdict

RESULT_FILE = "result.json"
PLOT_FILE = "plot.png"
_DATA_FOLDERS = (Path(), Path("../shared/data"))


def reproduce(
    claim: Annotated[ClaimName, typer.Argument(metavar="CLAIM", help=f"One of {', '.join(CLAIMS)}.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="CIFAR-10 as photos: a folder or a tar that holds train/ and test/; by default cifar10 or"
            " cifar10.tar.xz, here or in ../shared/data."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the results go; by default reproductions/CLAIM.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where prepared photos are kept; by default, beside --out.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Show the direction in minutes: fewer photos, epochs and seeds.")
    ] = False,
    seeds: Annotated[
        str | None, typer.Option(metavar="N|S,S,…", help="How many seeds, or which; by default the form's.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to use; by default all CPUs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Try one of the paper's claims on CIFAR-10.

    Trains the networks that the claim compares, on this machine's CPUs, and says what the paper found and
    what is found here. Leaves result.json, with all settings and curves, and plot.png. The same seeds and
    threads give the same figures. Exits 0 whether or not the paper's direction shows; result.json says which.
    """
    began = time.monotonic()
    chosen, form_name = CLAIMS[claim], _form_name(quick=quick)
    form = chosen.forms[form_name]
    out = out or Path("reproductions") / claim
    threads = threads or len(os.sched_getaffinity(0))
    used_seeds = parse_seeds(seeds) if seeds else form.seeds
    data = data or _cifar_nearby()
    dataset = _dataset(form, data, cache or out.parent / "photos", threads)
    torch.set_num_threads(threads)
    setting = Setting(dataset, len(Manifest.load(dataset).classes), used_seeds, threads)
    try:
        found = Reproduction(form, setting, remarks.print).results()
    except ValueError as error:
        raise BadSourceError(f"{data}: {error}") from error
    verdicts = [verdict(each, found) for each in chosen.comparisons_of(form)]
    answer = document(claim, chosen, form_name, setting, found, verdicts, round(time.monotonic() - began, 1))
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULT_FILE).write_text(json.dumps(answer, indent=1) + "\n", "utf-8")
    plot_curves(chosen, found, out / PLOT_FILE)
    if as_json:
        print_json(answer)
        return
    results.print(f"{chosen.title} ({chosen.section}). The paper: {chosen.paper}.")
    results.print(f"Here, {form_name}: {answer['photos']['train']} photos, {chosen.choices}.")
    results.print(arms_table(list(found.values()), measures_of(chosen)))
    results.print(comparisons_table(verdicts))
    results.print(f"{duration(time.monotonic() - began)}; {out / RESULT_FILE}, {out / PLOT_FILE}")


def parse_seeds(text: str) -> tuple[int, ...]:
    """`3` stands for 0, 1 and 2; `3,5` for these two and `3,` for this one.

    Raises `BadArgumentsError` for anything else, and for a seed given twice.
    """
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError as error:
        raise BadArgumentsError(f"--seeds {text}: give a number of seeds, or seeds with commas") from error
    seeds = tuple(numbers) if "," in text else tuple(range(numbers[0]))
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise BadArgumentsError(f"--seeds {text}: there has to be a seed, none below 0, and none twice")
    return seeds


def _cifar_nearby() -> Path:
    for folder in _DATA_FOLDERS:
        for name in ("cifar10", "cifar10.tar.xz"):
            if (folder / name).exists():
                return folder / name
    raise BadArgumentsError("no cifar10 or cifar10.tar.xz here: name CIFAR-10's photos with --data")


def _form_name(*, quick: bool) -> FormName:
    return "quick" if quick else "full"


def _dataset(form: Form, data: Path, cache: Path, threads: int) -> Path:
    image_size = form.arms[0].model_config_for(num_classes=2).image_size
    selection = PhotoSelection(data, image_size, form.train_per_class, form.test_per_class)
    with closing(prepare_photos(selection, cache, threads)) as progress, PreparationDisplay() as display:
        for step in progress:
            display.show(step)
    return cache.absolute() / selection.dataset_name
