"""`python tests/benchmarks/gpu_augment.py`: augmentation on a CUDA device; needs torch and NumPy alone.

How long a batch of 1,024 photos takes from uint8 256×256 to views of 224×224 on the device, in two dtypes and
both memory formats, beside a copy on the device of as many bytes as the views have; a copy of the photos'
bytes is shown too. Then whether copies from the host and augmentation hide behind a model's step.

A table goes to stderr; the last line of stdout is one JSON object. Exits 1 when a figure is not held, 2 where
there is no CUDA device.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

# The checkout as it is, on a machine where nothing of it is installed.
sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline.batches.augment import Augmentation
from pipeline.batches.device_batches import device_batches
from pipeline.batches.view_cutter import ViewCutter
from pipeline.shards.statistics import Statistics

PHOTOS, SIDE, SIZE = 1024, 256, 224
ROUNDS, TIMES = 15, 10
BATCHES, OVERLAP_ROUNDS = 30, 5
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

TIMES_A_COPY = 2.0
STEP_BESIDE_LOADING = 1.15


class HostBatch(NamedTuple):
    """What the loader would yield, in pinned memory."""

    images: torch.Tensor
    labels: torch.Tensor
    sample_ids: torch.Tensor


def main() -> int:
    if not torch.cuda.is_available():
        print("gpu_augment: no CUDA device here, nothing was measured", file=sys.stderr)
        return 2
    made_up = made_up_statistics()
    images = torch.randint(0, 256, (PHOTOS, SIDE, SIDE, 3), dtype=torch.uint8).pin_memory()
    seconds, spread = augmenting(made_up, images.cuda())
    for name, turns in overlapping(made_up, images).items():
        seconds[name], spread[name] = statistics.median(turns), (min(turns), max(turns))
    held = {
        f"{dtype} {form}: times a copy of the views": (
            seconds[f"augment to {dtype} {form}"] / seconds[f"copy {dtype} views"],
            TIMES_A_COPY,
        )
        for dtype in DTYPES
        for form in FORMATS
    }
    held["step with loading beside it: times the step alone"] = (
        seconds["step beside loading"] / seconds["step alone"],
        STEP_BESIDE_LOADING,
    )
    return report(seconds, spread, held)


def made_up_statistics() -> Statistics:
    random = np.random.default_rng(0)
    axes, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return Statistics(
        mean_image=random.uniform(90, 130, (SIDE, SIDE, 3)).astype(np.float32),
        channel_mean=np.full(3, 110.0),
        channel_covariance=np.eye(3) * 4000,
        pca_eigenvalues=np.array([10000.0, 700.0, 200.0]),
        pca_eigenvectors=axes,
        count=PHOTOS,
    )


def cutter_of(made_up: Statistics, dtype: torch.dtype, memory_format: torch.memory_format) -> ViewCutter:
    mean_image = torch.from_numpy(made_up.mean_image)
    return ViewCutter(mean_image, SIZE, dtype=dtype, memory_format=memory_format)


def augmenting(
    made_up: Statistics, images: torch.Tensor
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Medians and spreads of the device's seconds for one batch; the contenders take turns."""
    photos_copy = torch.empty_like(images)
    contenders: dict[str, Callable[[], object]] = {"copy photos": lambda: photos_copy.copy_(images)}
    for dtype_name, dtype in DTYPES.items():
        source = torch.zeros((PHOTOS, 3, SIZE, SIZE), dtype=dtype, device=images.device)
        contenders[f"copy {dtype_name} views"] = partial(torch.empty_like(source).copy_, source)
        for format_name, memory_format in FORMATS.items():
            cutter = cutter_of(made_up, dtype, memory_format)
            choices = Augmentation(made_up, cutter, seed=0).choices(torch.arange(PHOTOS), epoch=0)
            contenders[f"augment to {dtype_name} {format_name}"] = partial(cutter.cut, images, choices)
    turns = defaultdict(list)
    for turn in range(ROUNDS + 2):
        for name, work in contenders.items():
            seconds = device_seconds(work)
            # The first turns compile, and let the clocks rise.
            if turn >= 2:
                turns[name].append(seconds)
    return (
        {name: statistics.median(found) for name, found in turns.items()},
        {name: (min(found), max(found)) for name, found in turns.items()},
    )


def device_seconds(work: Callable[[], object]) -> float:
    """The device's time for `work`, without what the host takes to ask for it."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    busy(steps=40)
    start.record()
    for _ in range(TIMES):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / TIMES


def busy(steps: int) -> torch.Tensor:
    """Keeps the device at work, some 0.3 ms a step on an H100."""
    values = torch.ones((4096, 4096), dtype=torch.bfloat16, device="cuda")
    for _ in range(steps):
        values = (values @ values).clamp_(max=1)
    return values[0, 0]


def overlapping(made_up: Statistics, images: torch.Tensor) -> dict[str, list[float]]:
    """The seconds of a batch for loading alone, for a step alone, and for both by way of `device_batches`."""
    device = torch.device("cuda", torch.cuda.current_device())
    cutter = cutter_of(made_up, torch.float32, torch.channels_last)
    views_of = partial(Augmentation(made_up, cutter, seed=0).training_views, epoch=0)
    # Two batches by turns, as a loader with memory of its own would have them.
    batches = [
        HostBatch(pixels, torch.zeros(PHOTOS, dtype=torch.long).pin_memory(), torch.arange(PHOTOS))
        for pixels in (images, images.clone().pin_memory())
    ] * (BATCHES // 2)

    def loading(steps: int) -> float:
        return wall_seconds(device_batches(batches, views_of, device), steps)

    def step_alone(steps: int) -> float:
        views = torch.zeros((PHOTOS, 3, SIZE, SIZE), device=device)
        return wall_seconds(((views, None) for _ in range(BATCHES)), steps)

    loading(steps=0)
    # A step twice as long as loading, so that loading has room to hide in.
    steps = max(1, round(2 * loading(steps=0) / (step_alone(steps=20) / 20)))
    turns = defaultdict(list)
    for _ in range(OVERLAP_ROUNDS):
        turns["loading alone"].append(loading(steps=0))
        turns["step alone"].append(step_alone(steps))
        turns["step beside loading"].append(loading(steps))
    return turns


def wall_seconds(batches: Iterable[tuple[torch.Tensor, object]], steps: int) -> float:
    """Seconds a batch for a consumer that looks at its loss after each step, as the trainer does."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for views, _ in batches:
        (views[0, 0, 0, 0] + busy(steps)).item()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / BATCHES


def report(
    seconds: dict[str, float],
    spread: dict[str, tuple[float, float]],
    held: dict[str, tuple[float, float]],
) -> int:
    print(f"{'':44}{'median ms':>12}{'least':>10}{'most':>10}", file=sys.stderr)
    for name, median in seconds.items():
        least, most = spread[name]
        print(f"{name:44}{median * 1e3:12.3f}{least * 1e3:10.3f}{most * 1e3:10.3f}", file=sys.stderr)
    for name, (value, target) in held.items():
        verdict = "held" if value <= target else "NOT HELD"
        print(f"{name}: {value:.2f}, at most {target}: {verdict}", file=sys.stderr)
    result = {
        "benchmark": "gpu_augment",
        "machine": {
            "device": torch.cuda.get_device_name(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "python": platform.python_version(),
        },
        "rows": [{"name": name, "seconds": median} for name, median in seconds.items()],
        "held": {
            name: {"value": value, "target": target, "held": value <= target}
            for name, (value, target) in held.items()
        },
    }
    print(json.dumps(result))
    return 0 if all(value <= target for value, target in held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
