"""MosaicML Streaming: MDS shards of 64 MB on the local disk, shuffled; photos decoded in the workers."""

from __future__ import annotations

from pathlib import Path

import torch
from jpeg_files import decoded_view, jpeg_files
from turns import BATCH_SIZE, WORKERS, Epoch, take_turns

if torch.version.cuda is None:
    # Streaming imports torchvision, of which it then uses nothing here. Torchvision's compiled half does not
    # load beside a torch built for the CPU alone, and its other half wants these two to be declared.
    for operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )

from streaming import MDSWriter, StreamingDataLoader, StreamingDataset


class Photos(StreamingDataset):
    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        sample = super().__getitem__(place)
        return decoded_view(sample["image"]), sample["label"]


def open_photos(what: str, work: Path) -> Epoch:
    folder = str(work / "mosaic")
    with MDSWriter(out=folder, columns={"image": "bytes", "label": "int"}, size_limit=2**26) as writer:
        for path, label in jpeg_files(work):
            writer.write({"image": path.read_bytes(), "label": label})
    photos = Photos(local=folder, shuffle=True, batch_size=BATCH_SIZE)
    batches = StreamingDataLoader(
        photos, batch_size=BATCH_SIZE, num_workers=WORKERS, persistent_workers=True, drop_last=True
    )
    return lambda: batches


if __name__ == "__main__":
    take_turns(open_photos)
