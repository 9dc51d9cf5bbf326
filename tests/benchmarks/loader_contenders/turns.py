"""What all contenders of `bench_loader.py` have in common: they prove what they yield, then take turns.

A contender is started as `CONTENDER.py WHAT WORK SAMPLES TURN`. WHAT is jpg, raw or augmented; WORK the
folder that `training_photos.py` filled; SAMPLES the number of photos in it. With TURN `epochs` it goes
through its photos once, checking them, says so on a line of JSON, and times an epoch for every line it reads;
with `first` it ends with its first batch. Whatever else is printed goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

BATCH_SIZE: Final = 256
WORKERS: Final = 2
IMAGE_SIZE: Final = 256
CROP_SIZE: Final = 224

# Images and labels of a batch, as whatever shows itself as an array.
Epoch = Callable[[], Iterable[tuple[Any, Any]]]
Check = Callable[[Epoch, str, Path, int], None]

_LOOK_EVERY: Final = 16
_MEAN_TOLERANCE: Final = 6.0
_LEAST_DEVIATION: Final = 30.0


def check_epoch(epoch: Epoch, what: str, work: Path, samples: int) -> None:
    """Raises ValueError unless an epoch is all the photos: their number, shapes, type, labels and levels."""
    mean = (
        0.0 if what == "augmented" else float(np.load(work / "jpg" / "statistics.npz")["channel_mean"].mean())
    )
    dtype = np.dtype("float32" if what == "augmented" else "uint8")
    labels: list[np.ndarray] = []
    levels = []
    for images, batch_labels in epoch():
        images = np.asarray(images)
        channels_first = images.shape[1] == 3
        side = images.shape[2]
        expected = (len(images), 3, side, side) if channels_first else (len(images), side, side, 3)
        sides = (CROP_SIZE,) if what == "augmented" else (CROP_SIZE, IMAGE_SIZE)
        if images.shape != expected or side not in sides or images.dtype != dtype:
            raise ValueError(f"a batch is {images.dtype} {images.shape}")
        rows = slice(None, None, _LOOK_EVERY)
        levels.append(images[:, :, rows, rows] if channels_first else images[:, rows, rows])
        levels[-1] = levels[-1].astype(np.float32).reshape(len(images), -1)
        labels.append(np.array(batch_labels).reshape(-1))
    found, stored = np.sort(np.concatenate(labels)), np.sort(np.load(work / "labels.npy"))
    if len(found) != samples or not np.array_equal(found, stored):
        raise ValueError(f"an epoch holds {len(found)} photos, not the {samples} there are, each once")
    seen = np.concatenate(levels)
    if abs(seen.mean() - mean) > _MEAN_TOLERANCE or seen.std() < _LEAST_DEVIATION:
        raise ValueError(
            f"levels have mean {seen.mean():.1f} instead of {mean:.1f}, deviation {seen.std():.1f}"
        )


def take_turns(open_photos: Callable[[str, Path], Epoch], check: Check = check_epoch) -> None:
    what, work, samples, turn = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    say = _only_voice()
    epoch = open_photos(what, work)
    if turn == "first":
        next(iter(epoch()))
        say({"first": True})
        # How a loader ends is no part of when its first batch came.
        os._exit(0)
    check(epoch, what, work, samples)
    say({"ready": True})
    for _ in sys.stdin:
        count, began = 0, time.perf_counter()
        for images, _labels in epoch():
            count += len(images)
        say({"images": count, "seconds": time.perf_counter() - began, "peak_bytes": peak_bytes()})


def peak_bytes() -> int:
    """The most memory this process and its children each held; what they share counts for each of them."""
    import psutil

    this = psutil.Process()
    return sum(_peak_bytes(process.pid) for process in (this, *this.children(recursive=True)))


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _only_voice() -> Callable[[dict[str, Any]], None]:
    """Keeps stdout for what is said here: libraries, and the workers they start, print there too."""
    voice = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        voice.write(json.dumps(message) + "\n")
        voice.flush()

    return say
