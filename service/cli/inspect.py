"""`tandem inspect`: what a dataset holds, and whether it is still what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from pipeline.batches.reader import SplitReader
from pipeline.errors import BadDatasetError
from pipeline.shards.manifest import Manifest
from pipeline.shards.verify import Fault
from pipeline.shards.verify import verify as faults_in
from service.cli.output import print_json, results


def inspect_dataset(
    dataset_dir: Annotated[Path, typer.Argument(metavar="DIR", help="The dataset's folder.")],
    verify: Annotated[bool, typer.Option("--verify", help="Compare every file with its checksum.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a dataset holds.

    Prints the manifest in short and the number of photos per class. With --verify, exits 3 when a file is
    missing, cut short or changed, and names it.
    """
    manifest = Manifest.load(dataset_dir)
    faults = list(faults_in(dataset_dir)) if verify else []
    # Labels are read from the shards, so they cannot be counted in a damaged one.
    counts = (
        {} if faults else {split: class_counts(dataset_dir, manifest, split) for split in manifest.splits}
    )
    if as_json:
        print_json(_document(manifest, counts, faults if verify else None))
    else:
        _print(manifest, counts)
        if verify and not faults:
            results.print("every file is as it was written")
    if faults:
        named = "; ".join(f"{fault.file} {fault.detail}" for fault in faults)
        raise BadDatasetError(f"{dataset_dir} is damaged: {named}; prepare it again")


def class_counts(dataset_dir: Path, manifest: Manifest, split: str) -> list[int]:
    """Photos per class of a split, by label."""
    labels = SplitReader(dataset_dir, split).labels
    counts: list[int] = np.bincount(labels, minlength=len(manifest.classes)).tolist()
    return counts


def _document(manifest: Manifest, counts: dict[str, list[int]], faults: list[Fault] | None) -> dict[str, Any]:
    document = {
        "manifest": manifest.model_dump(mode="json"),
        "checksum": manifest.checksum,
        "class_counts": {
            split: {each.id: count for each, count in zip(manifest.classes, of_split, strict=True)}
            for split, of_split in counts.items()
        },
    }
    return document if faults is None else {**document, "faults": [fault._asdict() for fault in faults]}


def _print(manifest: Manifest, counts: dict[str, list[int]]) -> None:
    size_bytes = sum(shard.size_bytes for split in manifest.splits.values() for shard in split.shards)
    shards = sum(len(split.shards) for split in manifest.splits.values())
    for name, value in {
        "name": manifest.name,
        "created": manifest.created_at.isoformat(timespec="seconds"),
        "source": f"{manifest.source.type} {manifest.source.location}",
        "stored": f"{manifest.image_size}×{manifest.image_size}, {manifest.write_mode}, seed {manifest.seed}",
        "size": f"{size_bytes / 2**20:.1f} MiB in {shards} shards",
        "quarantined": manifest.quarantined,
        "checksum": manifest.checksum,
    }.items():
        results.print(f"{name:<12} {value}")
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for split in counts:
        table.add_column(split, justify="right")
    for each in manifest.classes:
        table.add_row(each.name, *(str(of_split[each.index]) for of_split in counts.values()))
    table.add_row("all", *(str(sum(of_split)) for of_split in counts.values()), style="bold")
    if counts:
        results.print(table)
