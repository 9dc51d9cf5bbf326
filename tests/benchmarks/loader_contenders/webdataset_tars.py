"""WebDataset: tar files of 1,024 photos, shuffled by file and in a buffer, batched in the workers."""

from __future__ import annotations

from pathlib import Path

import webdataset
from jpeg_files import decoded_view, jpeg_files
from torch.utils.data import default_collate
from turns import BATCH_SIZE, WORKERS, Epoch, take_turns

_PHOTOS_IN_A_TAR = 1024


def open_photos(what: str, work: Path) -> Epoch:
    folder = work / "webdataset"
    folder.mkdir()
    files = jpeg_files(work)
    with webdataset.ShardWriter(f"{folder}/%06d.tar", maxcount=_PHOTOS_IN_A_TAR, verbose=0) as writer:
        for number, (path, label) in enumerate(files):
            writer.write({"__key__": f"{number:06d}", "jpg": path.read_bytes(), "cls": label})
    tars = sorted(str(path) for path in folder.glob("*.tar"))
    photos = (
        webdataset.WebDataset(tars, shardshuffle=len(tars))
        .shuffle(1000)
        .to_tuple("jpg", "cls")
        .map_tuple(decoded_view, int)
        .batched(BATCH_SIZE, partial=False, collation_fn=default_collate)
    )
    batches = webdataset.WebLoader(photos, batch_size=None, num_workers=WORKERS, persistent_workers=True)
    return lambda: batches


if __name__ == "__main__":
    take_turns(open_photos)
