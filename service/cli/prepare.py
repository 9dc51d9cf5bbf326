"""`tandem prepare`: photos to a dataset on this machine, without a server."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from service.cli.errors import BadArgumentsError
from service.cli.output import duration, print_json, results
from service.cli.preparation_display import PreparationDisplay

_DEFAULTS = PrepareConfig()


def prepare_dataset(
    source: Annotated[
        Path, typer.Argument(help="A folder with one folder per class, or with train/ and val/.")
    ],
    out: Annotated[Path, typer.Option(help="The dataset's folder: must not exist yet.")],
    name: Annotated[str | None, typer.Option(help="The dataset's name; by default its folder's.")] = None,
    type: Annotated[Literal["auto", "folder"], typer.Option(help="The form of the source.")] = "auto",  # noqa: A002
    val: Annotated[Path | None, typer.Option(help="A source of validation photos.")] = None,
    val_fraction: Annotated[
        float | None, typer.Option(help="Share of each class's photos to hold out for validation.")
    ] = None,
    image_size: Annotated[
        int, typer.Option(help="Side of the stored square, in pixels.")
    ] = _DEFAULTS.image_size,
    write_mode: Annotated[
        Literal["jpg", "raw", "proportion"], typer.Option(help="How pixels are stored.")
    ] = _DEFAULTS.write_mode,
    jpeg_quality: Annotated[int, typer.Option(help="1 to 100, for stored JPEGs.")] = _DEFAULTS.jpeg_quality,
    shard_size: Annotated[int, typer.Option(help="Photos per shard.")] = _DEFAULTS.shard_size,
    workers: Annotated[int | None, typer.Option(help="Processes; by default one per core.")] = None,
    seed: Annotated[int, typer.Option(help="Decides the order of the stored photos.")] = _DEFAULTS.seed,
    max_quarantine: Annotated[
        float, typer.Option(help="Fail when a larger share of the photos cannot be used.")
    ] = _DEFAULTS.max_quarantine,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Turn a folder of photos into a dataset.

    Photos are scaled so that their shorter side is the image size, cut square and written as shards. Those
    that cannot be decoded are listed in quarantine.jsonl. The dataset appears whole or not at all.
    """
    if val is not None and val_fraction is not None:
        raise BadArgumentsError(
            "--val and --val-fraction exclude each other: give a source or a share, not both"
        )
    config = PrepareConfig(
        image_size=image_size,
        write_mode=write_mode,
        jpeg_quality=jpeg_quality,
        shard_size=shard_size,
        seed=seed,
        workers=workers,
        val_fraction=val_fraction,
        max_quarantine=max_quarantine,
    )
    progress = prepare(
        SourceConfig(type=type, path=str(source)),
        out,
        config,
        name=name or out.absolute().name,
        val=None if val is None else SourceConfig(type=type, path=str(val)),
    )
    began = time.monotonic()
    with closing(progress), PreparationDisplay() as display:
        for step in progress:
            display.show(step)
    _report(out, time.monotonic() - began, as_json=as_json)


def _report(dataset_dir: Path, seconds: float, *, as_json: bool) -> None:
    manifest = Manifest.load(dataset_dir)
    samples = {split: part.num_samples for split, part in manifest.splits.items()}
    if as_json:
        print_json(
            {
                "name": manifest.name,
                "path": str(dataset_dir.absolute()),
                "classes": len(manifest.classes),
                "samples": samples,
                "shards": {split: len(part.shards) for split, part in manifest.splits.items()},
                "quarantined": manifest.quarantined,
                "checksum": manifest.checksum,
                "seconds": round(seconds, 3),
            }
        )
        return
    photos = " and ".join(f"{count} {split}" for split, count in samples.items())
    results.print(
        f"{manifest.name}: {photos} photos of {len(manifest.classes)} classes at {manifest.image_size}×"
        f"{manifest.image_size} in {duration(seconds)}, {manifest.quarantined} in quarantine: {dataset_dir}"
    )
