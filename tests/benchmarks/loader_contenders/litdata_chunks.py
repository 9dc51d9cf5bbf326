"""LitData: chunks of 64 MB, streamed from the disk with shuffling.

Its own decoder of JPEGs is torchvision's, which does not load beside a torch built for the CPU alone; it is
given simplejpeg instead.
"""

from __future__ import annotations

from pathlib import Path

from jpeg_files import decoded_view, jpeg_files
from litdata import StreamingDataLoader, StreamingDataset, optimize
from turns import BATCH_SIZE, WORKERS, Epoch, take_turns


def stored(file: tuple[Path, int]) -> dict[str, object]:
    path, label = file
    return {"image": path.read_bytes(), "label": label}


def decoded(sample: dict[str, object]) -> tuple[object, object]:
    return decoded_view(sample["image"]), sample["label"]


def open_photos(what: str, work: Path) -> Epoch:
    folder = str(work / "litdata")
    optimize(stored, jpeg_files(work), folder, chunk_bytes="64MB", num_workers=WORKERS)
    photos = StreamingDataset(folder, shuffle=True, drop_last=True, transform=decoded)
    batches = StreamingDataLoader(
        photos, batch_size=BATCH_SIZE, num_workers=WORKERS, persistent_workers=True, drop_last=True
    )
    return lambda: batches


if __name__ == "__main__":
    take_turns(open_photos)
