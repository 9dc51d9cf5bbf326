"""`tandem prepare`: photos to a dataset on this machine, without a server."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from pipeline.config import (
    ChromaSubsampling,
    ExifOrientation,
    PrepareConfig,
    SourceConfig,
    SourceType,
    WriteMode,
)
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from service.cli.errors import BadArgumentsError
from service.cli.output import duration, print_json, remarks, results
from service.cli.preparation_display import PreparationDisplay
from service.settings import Settings

_DEFAULTS = PrepareConfig()


def prepare_dataset(
    source: Annotated[
        str,
        typer.Argument(
            help="Photos: a folder, a .csv or .jsonl table, or an s3:// or gs:// URL of one; see --type."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The dataset's folder.")],
    name: Annotated[str | None, typer.Option(help="The dataset's name; by default its folder's.")] = None,
    type: Annotated[  # noqa: A002
        SourceType,
        typer.Option(
            help="The form of the source: class folders, ImageNet as downloaded or as Kaggle lays it out, a"
            " table of path and label, WebDataset tars, or Parquet files. auto looks."
        ),
    ] = "auto",
    class_names: Annotated[
        str | None, typer.Option(help="A JSON file of class ids and their readable names.")
    ] = None,
    val: Annotated[str | None, typer.Option(help="A source of validation photos.")] = None,
    val_fraction: Annotated[
        float | None, typer.Option(help="Share of each class's photos to hold out for validation.")
    ] = None,
    image_size: Annotated[
        int, typer.Option(help="Side of the stored square, in pixels.")
    ] = _DEFAULTS.image_size,
    write_mode: Annotated[
        WriteMode, typer.Option(help="How pixels are stored; proportion mixes the two.")
    ] = _DEFAULTS.write_mode,
    raw_fraction: Annotated[
        float | None, typer.Option(help="Share stored raw by --write-mode proportion; by default half.")
    ] = None,
    jpeg_quality: Annotated[int, typer.Option(help="1 to 100, for stored JPEGs.")] = _DEFAULTS.jpeg_quality,
    chroma_subsampling: Annotated[
        ChromaSubsampling, typer.Option(help="Of stored JPEGs.")
    ] = _DEFAULTS.chroma_subsampling,
    exif: Annotated[
        ExifOrientation, typer.Option(help="What to do about a photo's EXIF orientation.")
    ] = _DEFAULTS.exif,
    max_pixels: Annotated[
        int, typer.Option(help="A photo of more pixels is not decoded but quarantined.")
    ] = _DEFAULTS.max_pixels,
    shard_size: Annotated[int, typer.Option(help="Photos per shard.")] = _DEFAULTS.shard_size,
    workers: Annotated[
        int | None, typer.Option(help="Shards written at a time; by default one per CPU.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the order of the stored photos.")] = _DEFAULTS.seed,
    max_quarantine: Annotated[
        float, typer.Option(help="Fail when a larger share of the photos cannot be used.")
    ] = _DEFAULTS.max_quarantine,
    force: Annotated[
        bool, typer.Option("--force", help="Start over, and replace a dataset that is there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Turn labelled photos into a dataset.

    Photos are scaled so that their shorter side is the image size, cut square and written as shards, on this
    machine's CPUs or on the Ray cluster that RAY_ADDRESS names. Those that cannot be used are listed in
    quarantine.jsonl. The dataset appears whole or not at all; after an interruption, the same command goes on
    where it ended. Shards of a dataset below TANDEM_HOME go to TANDEM_STORAGE where that is set.
    """
    if val is not None and val_fraction is not None:
        raise BadArgumentsError(
            "--val and --val-fraction exclude each other: give a source or a share, not both"
        )
    config = PrepareConfig(
        image_size=image_size,
        write_mode=write_mode,
        raw_fraction=raw_fraction,
        jpeg_quality=jpeg_quality,
        chroma_subsampling=chroma_subsampling,
        exif=exif,
        max_pixels=max_pixels,
        shard_size=shard_size,
        seed=seed,
        workers=workers,
        val_fraction=val_fraction,
        max_quarantine=max_quarantine,
    )
    progress = prepare(
        SourceConfig(type=type, path=source, class_names=class_names),
        out,
        config,
        name=name or out.absolute().name,
        val=None if val is None else SourceConfig(path=val),
        force=force,
        storage=Settings().storage_of(out.absolute()),
    )
    began = time.monotonic()
    try:
        with closing(progress), PreparationDisplay() as display:
            for step in progress:
                display.show(step)
    except KeyboardInterrupt:
        remarks.print("what is finished is kept: the same command goes on with it")
        raise
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
