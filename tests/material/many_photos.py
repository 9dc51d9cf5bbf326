"""Photos enough for a preparation to be caught at work."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

NUM_PHOTOS: Final = 6000


def table_of_many_photos(folder: Path) -> Path:
    """A table of so many photos of 900×700, in the classes `even` and `odd`, and of a file that is none.

    The photos are links to one file: they fill no disk.
    """
    blobs = np.random.default_rng(3).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    first = folder / "0000.jpg"
    Image.fromarray(blobs).resize((900, 700), Image.Resampling.BICUBIC).save(first, quality=95)
    for number in range(1, NUM_PHOTOS):
        os.link(first, folder / f"{number:04d}.jpg")
    (folder / "notes.txt").write_text("no photo\n")
    table = folder / "photos.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows(
            (f"{number:04d}.jpg", "odd" if number % 2 else "even") for number in range(NUM_PHOTOS)
        )
        writer.writerow(["notes.txt", "odd"])
    return table
