"""`tandem inspect`: what a dataset holds, and whether it is still what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.table import Table

from pipeline.batches.contact_sheet import Pixels, contact_sheet, mean_image
from pipeline.batches.reader import SplitReader
from pipeline.png import write_png
from pipeline.shards.manifest import MANIFEST_FILE, Manifest, SplitRecord
from pipeline.shards.pictures import CONTACT_SHEET_FILE, MEAN_IMAGE_FILE, PICTURE_FILES
from pipeline.shards.plan import PLAN_FILE
from pipeline.shards.record import QUARANTINE_FILE
from pipeline.shards.verify import Fault, refuse_damaged
from pipeline.shards.verify import verify as faults_in
from pipeline.storage.stored_files import STORAGE_FILE
from service.cli.errors import BadArgumentsError
from service.cli.output import print_json, results

_PNG = "as a PNG file; one that is there is overwritten."


class _Picture(NamedTuple):
    """What draws it, and the name it has in a dataset's folder."""

    draw: Callable[[Path], Pixels]
    file: str


_PICTURES: Final = {
    "contact_sheet": _Picture(contact_sheet, CONTACT_SHEET_FILE),
    "mean_image": _Picture(mean_image, MEAN_IMAGE_FILE),
}


def inspect_dataset(
    dataset_dir: Annotated[Path, typer.Argument(metavar="DIR", help="The dataset's folder.")],
    verify: Annotated[bool, typer.Option("--verify", help="Compare every file with its checksum.")] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--contact-sheet", metavar="PNG", help=f"Write photos of each class, or of some classes, {_PNG}"
        ),
    ] = None,
    mean: Annotated[
        Path | None,
        typer.Option("--mean-image", metavar="PNG", help=f"Write the mean of the training photos {_PNG}"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a dataset holds.

    Prints the manifest in short, sizes, and the number of photos per class. With --verify, exits 3 when a
    file is missing, cut short or changed, and names it. No picture is made from a file that has changed.
    Photos are counted in the shards, whatever the manifest says of their number.
    """
    manifest = Manifest.load(dataset_dir)
    pictures = {name: path for name, path in (("contact_sheet", sheet), ("mean_image", mean)) if path}
    _refuse_places(dataset_dir, manifest, pictures)
    faults = list(faults_in(dataset_dir)) if verify else []
    # Labels and photos are read from the shards, so they cannot be counted or shown in a damaged one.
    counts = (
        {} if faults else {split: SplitReader(dataset_dir, split).class_counts for split in manifest.splits}
    )
    if verify:
        faults.extend(_miscounts(manifest, counts))
    if faults:
        pictures = {}
    _write(dataset_dir, pictures)
    if as_json:
        print_json(_document(manifest, counts, pictures, faults if verify else None))
    else:
        _print(manifest, counts, pictures)
        if verify and not faults:
            results.print("every file is as it was written")
    refuse_damaged(dataset_dir, faults)


def _miscounts(manifest: Manifest, counts: Mapping[str, list[int]]) -> Iterator[Fault]:
    for split, counted in counts.items():
        stated = manifest.splits[split].class_counts
        if stated is not None and list(stated) != counted:
            yield Fault(MANIFEST_FILE, f"says otherwise how many photos of each class {split} has")


def _refuse_places(dataset_dir: Path, manifest: Manifest, pictures: Mapping[str, Path]) -> None:
    """Raises `BadArgumentsError` when a picture would replace the other one, or a file of the dataset."""
    places = {name: path.resolve() for name, path in pictures.items()}
    if len(set(places.values())) < len(places):
        raise BadArgumentsError("--contact-sheet and --mean-image name the same file: give each its own")
    shards = {shard.file for split in manifest.splits.values() for shard in split.shards}
    beside = {MANIFEST_FILE, PLAN_FILE, QUARANTINE_FILE, STORAGE_FILE, manifest.statistics.file}
    own = {(dataset_dir / file).resolve() for file in shards | beside | PICTURE_FILES}
    for name, place in places.items():
        # A dataset of before has no pictures: they may be put where the others have theirs.
        if place in own - {(dataset_dir / _PICTURES[name].file).resolve()}:
            raise BadArgumentsError(
                f"{pictures[name]} belongs to the dataset: choose another place for the picture"
            )


def _write(dataset_dir: Path, pictures: Mapping[str, Path]) -> None:
    # All are drawn before any is written, so that damage found on the way leaves none behind.
    drawn = [(path, _PICTURES[name].draw(dataset_dir)) for name, path in pictures.items()]
    for path, pixels in drawn:
        write_png(path, pixels)


def _sizes(manifest: Manifest) -> dict[str, int]:
    return {split: sum(shard.size_bytes for shard in part.shards) for split, part in manifest.splits.items()}


def _document(
    manifest: Manifest,
    counts: Mapping[str, list[int]],
    pictures: Mapping[str, Path],
    faults: list[Fault] | None,
) -> dict[str, Any]:
    sizes = _sizes(manifest)
    document = {
        "manifest": manifest.model_dump(mode="json"),
        "checksum": manifest.checksum,
        "size_bytes": sum(sizes.values()),
        "split_size_bytes": sizes,
        "class_counts": {
            split: {each.id: count for each, count in zip(manifest.classes, of_split, strict=True)}
            for split, of_split in counts.items()
        },
        **{name: str(path.absolute()) for name, path in pictures.items()},
    }
    return document if faults is None else {**document, "faults": [fault._asdict() for fault in faults]}


def _print(manifest: Manifest, counts: Mapping[str, list[int]], pictures: Mapping[str, Path]) -> None:
    sizes = _sizes(manifest)
    for name, value in {
        "name": manifest.name,
        "created": manifest.created_at.isoformat(timespec="seconds"),
        "source": f"{manifest.source.type} {manifest.source.location}",
        "stored": f"{manifest.image_size}×{manifest.image_size}, {manifest.write_mode}, seed {manifest.seed}",
        "size": _mebibytes(sum(sizes.values())),
        **{split: _split(part, sizes[split]) for split, part in manifest.splits.items()},
        "quarantined": manifest.quarantined,
        "checksum": manifest.checksum,
        **{name.replace("_", " "): path for name, path in pictures.items()},
    }.items():
        results.print(f"{name:<13} {value}")
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for split in counts:
        table.add_column(split, justify="right")
    for each in manifest.classes:
        table.add_row(each.name, *(str(of_split[each.index]) for of_split in counts.values()))
    table.add_row("all", *(str(sum(of_split)) for of_split in counts.values()), style="bold")
    if counts:
        results.print(table)


def _split(part: SplitRecord, size_bytes: int) -> str:
    shards = "1 shard" if len(part.shards) == 1 else f"{len(part.shards)} shards"
    return f"{part.num_samples} photos in {shards}, {_mebibytes(size_bytes)}"


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB ({size_bytes:,} bytes)"
