"""What people look at to see whether a dataset is right: its mean photo, and the first photos of classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.batches.corrupt_samples import CorruptSamples
from pipeline.batches.decoder import PhotoDecoder
from pipeline.batches.mapped_memory import MappedMemory
from pipeline.batches.reader import SplitReader
from pipeline.shards.manifest import DatasetClass, Manifest, Shard
from pipeline.shards.statistics import Statistics
from pipeline.shards.verify import refuse_damaged, verify_shards, verify_statistics

Pixels = NDArray[np.uint8]

# All in pixels.
_MAX_HEIGHT: Final = 4000
_MAX_PHOTO: Final = 96
_MIN_WIDTH: Final = 640
_LABEL_WIDTH: Final = 220
_MARGIN: Final = 12
_GAP: Final = 4
_LINE: Final = 20
_LINES: Final = 3

# More than fit into any line; a name may be as long as a file.
_MAX_CHARACTERS: Final = 1000

_PHOTOS_PER_CLASS: Final = 16
_INK, _FAINT, _PAPER = "black", "dimgray", "white"
_TITLE_FONT, _NAME_FONT, _NOTE_FONT = (ImageFont.load_default(size) for size in (18, 14, 12))


class _Line(NamedTuple):
    """A line of text from anywhere: a name may be long, and of characters that the font does not have."""

    text: str
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    colour: str

    def cut_to(self, width: int) -> str:
        """The text as far as it fits: without accents, which the font has none of, and on one line."""
        apart = unicodedata.normalize("NFKD", self.text)
        plain = " ".join("".join(each for each in apart if not unicodedata.combining(each)).split())
        plain = plain[:_MAX_CHARACTERS]
        if self.font.getlength(plain) <= width:
            return plain
        while plain and self.font.getlength(f"{plain}…") > width:
            plain = plain[:-1]
        return f"{plain}…"


class _Row(NamedTuple):
    """A class, how many training photos it has, and the first of them as small as they are shown."""

    shown: DatasetClass
    num_photos: int
    photos: list[Image.Image]

    @property
    def wanting(self) -> int:
        return min(self.num_photos, _PHOTOS_PER_CLASS) - len(self.photos)


def mean_image(dataset_dir: Path) -> Pixels:
    """The mean of the training photos, rounded: uint8 [S, S, 3] RGB.

    Raises `BadDatasetError` when statistics.npz is not as it was written.
    """
    refuse_damaged(dataset_dir, verify_statistics(dataset_dir, Manifest.load(dataset_dir).statistics))
    return np.rint(Statistics.load(dataset_dir).mean_image).clip(0, 255).astype(np.uint8)


def contact_sheet(dataset_dir: Path) -> Pixels:
    """Classes, evenly chosen from all, each with its first training photos in the order of the shards.

    uint8 [H, W, 3] RGB, at most 4000 high and 2000 wide; the same for the same dataset. Reads the photos it
    shows and no others, and checks the shards they are in first.
    Raises `BadDatasetError` for one that is not as it was written: nothing is drawn from damaged data.
    """
    manifest = Manifest.load(dataset_dir)
    mean = mean_image(dataset_dir)
    side = min(manifest.image_size, _MAX_PHOTO)
    num_rows = (_MAX_HEIGHT - 2 * _MARGIN) // _row_height(side) - 1
    rows = _rows(dataset_dir, manifest, num_rows)
    # The manifest of a dataset made elsewhere may know of no training photos.
    if "train" in manifest.splits:
        _fill(rows, dataset_dir, manifest.splits["train"].shards, side)
    return _draw(manifest, mean, side, rows)


def evenly(count: int, limit: int) -> list[int]:
    """At most `limit` of the numbers below `count`, spread over all of them."""
    shown = min(count, limit)
    return [place * count // shown for place in range(shown)]


def _rows(dataset_dir: Path, manifest: Manifest, num_rows: int) -> list[_Row]:
    counts = _training_photos(dataset_dir, manifest)
    shown = (manifest.classes[place] for place in evenly(len(manifest.classes), num_rows))
    return [_Row(each, counts[each.index], []) for each in shown]


def _training_photos(dataset_dir: Path, manifest: Manifest) -> Sequence[int]:
    """By label: as the manifest says, or counted where it is one of before."""
    if "train" not in manifest.splits:
        return [0] * len(manifest.classes)
    stated = manifest.splits["train"].class_counts
    return SplitReader(dataset_dir, "train").class_counts if stated is None else stated


def _fill(rows: Sequence[_Row], dataset_dir: Path, shards: Sequence[Shard], side: int) -> None:
    """Gives every row its photos."""
    # One shard after the other, until there is enough to show: all of a split in object storage may be more
    # than there is room for here.
    for shard in shards:
        wanting = [row for row in rows if row.wanting]
        if not wanting:
            return
        reader = SplitReader(dataset_dir, "train", [shard])
        found = [
            (row, positions)
            for row in wanting
            if (positions := np.flatnonzero(reader.labels == row.shown.index)[: row.wanting]).size
        ]
        if not found:
            continue
        refuse_damaged(dataset_dir, verify_shards(dataset_dir, [shard]))
        decoded = _decoded(reader, (positions for _, positions in found))
        # One class at a time: all photos together may be more than there is memory for.
        for (row, _), photos in zip(found, decoded, strict=True):
            row.photos.extend(_small(photo, side) for photo in photos)


def _decoded(reader: SplitReader, selections: Iterable[NDArray[np.int64]]) -> Iterator[Pixels]:
    """The photos at each selection of positions: uint8 [N, S, S, 3] RGB. Raises `CorruptSampleError`."""
    memory = MappedMemory(reader)
    decoder, corrupt = PhotoDecoder(reader, memory), CorruptSamples(reader, "raise")
    with ThreadPoolExecutor(1) as thread:
        for positions in selections:
            images = torch.empty((len(positions), reader.image_size, reader.image_size, 3), dtype=torch.uint8)
            _, faults = decoder.begin(positions, images, memory.context.state, thread).wait()
            corrupt.sound(positions, faults)
            yield images.numpy()


def _row_height(side: int) -> int:
    return max(side, _LINES * _LINE) + _GAP


def _draw(manifest: Manifest, mean: Pixels, side: int, rows: Sequence[_Row]) -> Pixels:
    """The mean photo beside the title, and below them a row per class."""
    most = max((len(row.photos) for row in rows), default=0)
    width = max(_MIN_WIDTH, 2 * _MARGIN + _LABEL_WIDTH + most * (side + _GAP))
    height = 2 * _MARGIN + _row_height(side) * (1 + len(rows))
    sheet = Image.new("RGB", (width, height), _PAPER)
    _paste(sheet, [_small(mean, side)], _MARGIN, _MARGIN)
    beside = _MARGIN + side + 2 * _GAP
    _write(sheet, _title(manifest, len(rows)), beside, _MARGIN, width - beside - _MARGIN)
    for number, row in enumerate(rows, start=1):
        top = _MARGIN + number * _row_height(side)
        _write(sheet, _label(row), _MARGIN, top, _LABEL_WIDTH - 2 * _GAP)
        _paste(sheet, row.photos, _MARGIN + _LABEL_WIDTH, top)
    return np.array(sheet)


def _title(manifest: Manifest, num_rows: int) -> list[_Line]:
    counts = ", ".join(f"{part.num_samples:,} {split}" for split, part in manifest.splits.items())
    size, classes = manifest.image_size, len(manifest.classes)
    return [
        _Line(manifest.name, _TITLE_FONT, _INK),
        _Line(f"{size} x {size} pixels, {classes:,} classes, {counts} photos", _NAME_FONT, _INK),
        _Line(
            f"the mean photo, and {num_rows:,} of {classes:,} classes"
            f" with {_PHOTOS_PER_CLASS} training photos of each at most",
            _NOTE_FONT,
            _FAINT,
        ),
    ]


def _label(row: _Row) -> list[_Line]:
    lines = [_Line(row.shown.name, _NAME_FONT, _INK)]
    if row.shown.id != row.shown.name:
        lines.append(_Line(row.shown.id, _NOTE_FONT, _FAINT))
    photos = "photo" if row.num_photos == 1 else "photos"
    return [*lines, _Line(f"{row.num_photos:,} training {photos}", _NOTE_FONT, _FAINT)]


def _write(sheet: Image.Image, lines: Sequence[_Line], left: int, top: int, width: int) -> None:
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((left, top + number * _LINE), line.cut_to(width), font=line.font, fill=line.colour)


def _small(photo: Pixels, side: int) -> Image.Image:
    return Image.fromarray(photo).resize((side, side), Image.Resampling.LANCZOS)


def _paste(sheet: Image.Image, photos: Iterable[Image.Image], left: int, top: int) -> None:
    for number, photo in enumerate(photos):
        sheet.paste(photo, (left + number * (photo.width + _GAP), top))
