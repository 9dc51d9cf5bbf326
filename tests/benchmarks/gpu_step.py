"""`python tests/benchmarks/gpu_step.py`: a training step on CUDA; needs torch, Triton, NumPy and pydantic.

In float32, TensorFloat-32 and bfloat16, at batches of 128 and 1,024 images: the time of a whole step, images
a second, what share that is of the largest matrix product's rate measured in the same run, and the device
memory a contender needs. FLOP are three times those of the forward pass's products. Contenders take turns;
figures are medians. Then ReLU and LRN forward and backward at conv1's shape, beside a copy on the device.

`--precisions` and `--batches` choose a part of it: compiling all of it takes minutes. A table goes to stderr;
the last line of stdout is one JSON object. Exits 1 when a figure is not held or a contender could not run, 2
where there is no CUDA device or a package is missing.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from figures import Target, Turns, median, spread, verdict

# The checkout as it is, on a machine where nothing of it is installed.
sys.path.insert(0, str(Path(__file__).parents[2]))

if not all(map(importlib.util.find_spec, ("pydantic", "triton"))):
    print("gpu_step: pydantic or triton is missing here, nothing was measured", file=sys.stderr)
    sys.exit(2)

from lrn_turns import device_seconds, normalizing
from step_contenders import (
    APART,
    EAGER_NAIVE,
    ON_TWO_DEVICES,
    TOGETHER,
    Step,
    contenders,
    made_up_photos,
)

from model.learning.precision import products_in

PRECISIONS, BATCHES = ("fp32", "tf32", "bf16"), (128, 1024)
WARM_UP, TURN_SECONDS = 5, 0.2
MATRIX_SIDE = 8192
TARGETS: dict[str, Target] = {
    "images_per_second": (40_000, "at least"),
    "times_naive_eager": (3.0, "at least"),
    "towers_apart_times_together": (1.05, "at most"),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    arguments.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    arguments.add_argument("--rounds", type=int, default=7, help="turns each contender takes")
    options = arguments.parse_args()
    if not torch.cuda.is_available():
        print("gpu_step: no CUDA device here, nothing was measured", file=sys.stderr)
        return 2
    ceilings = {precision: matrix_flop_per_second(precision) for precision in options.precisions}
    measured: dict[str, Turns] = {}
    failed: dict[str, str] = {}
    for precision in options.precisions:
        for batch in options.batches:
            turns, failures = training(precision, batch, options.rounds, ceilings[precision])
            measured |= {f"{precision} at {batch}: {name}": found for name, found in turns.items()}
            failed |= {f"{precision} at {batch}: {name}": why for name, why in failures.items()}
    for dtype in (torch.float32, torch.bfloat16):
        turns = normalizing(dtype, max(options.batches), options.rounds)
        measured |= {f"{dtype} {name}".removeprefix("torch."): found for name, found in turns.items()}
    return report(measured, failed, ceilings, aims(measured))


def matrix_flop_per_second(precision: str) -> float:
    """The rate of a matrix product large enough to be limited by nothing else."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    factors = torch.randn(2, MATRIX_SIDE, MATRIX_SIDE, device="cuda", dtype=dtype)
    with products_in(precision):
        seconds = [device_seconds(partial(torch.mm, *factors), times=10) for _ in range(5)]
    return 2 * MATRIX_SIDE**3 / statistics.median(seconds)


def training(
    precision: str, batch: int, rounds: int, ceiling: float
) -> tuple[dict[str, Turns], dict[str, str]]:
    """By contender, its turns, or why it could not take any."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    photos = made_up_photos(batch, devices[0])
    every = contenders(devices)
    torch.compiler.reset()
    steps: dict[str, tuple[Step, int, int]] = {}
    failed: dict[str, str] = {}
    for name, contender in every.items():
        print(f"{precision} at {batch}: preparing {name}", file=sys.stderr)
        try:
            steps[name] = prepared(partial(contender.build, photos, precision))
        # Whatever keeps one from running, such as a compiler that is missing, the others are still measured.
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}".partition("\n")[0]
    turns: dict[str, list[Mapping[str, float]]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, (step, times, memory) in steps.items():
            seconds = wall_seconds(step, times)
            turns[name].append(
                {
                    "step_ms": seconds * 1e3,
                    "images_per_second": batch / seconds,
                    "share_of_matmul": every[name].flop_per_image * batch / seconds / ceiling,
                    "memory_mb": memory / 1e6,
                }
            )
    return dict(turns), failed


def prepared(build: Callable[[], Step]) -> tuple[Step, int, int]:
    """A warm step, how many of them make a turn, and the bytes that the first device lends for it."""
    release_memory()
    before = torch.cuda.memory_reserved()
    step = build()
    wall_seconds(step, WARM_UP)
    # What was tried out and given back is no need of the step's.
    release_memory()
    seconds = wall_seconds(step, 2)
    memory = torch.cuda.memory_reserved() - before
    return step, max(2, math.ceil(TURN_SECONDS / seconds)), memory


def release_memory() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def wall_seconds(step: Step, times: int) -> float:
    """Seconds a step, of the host and all devices."""
    synchronize()
    began = time.perf_counter()
    for _ in range(times):
        step()
    synchronize()
    return (time.perf_counter() - began) / times


def synchronize() -> None:
    for index in range(torch.cuda.device_count()):
        torch.cuda.synchronize(index)


def aims(measured: Mapping[str, Turns]) -> dict[str, float]:
    """What bfloat16 at 1,024 is to reach on one device, of ours the fastest, of the naive net the faster."""
    turns = {
        name.removeprefix("bf16 at 1024: "): found
        for name, found in measured.items()
        if name.startswith("bf16 at 1024: ")
    }
    rates = {name: median(found, "images_per_second") for name, found in turns.items()}
    ours = [rate for name, rate in rates.items() if name.startswith("tandem") and name != ON_TWO_DEVICES]
    naive = [rates[name] for name in EAGER_NAIVE if name in rates]
    figures = {"images_per_second": max(ours)} if ours else {}
    if ours and naive:
        figures["times_naive_eager"] = max(ours) / max(naive)
    if TOGETHER in turns and APART in turns:
        rounds = zip(turns[APART], turns[TOGETHER], strict=True)
        ratio = statistics.median(apart["step_ms"] / together["step_ms"] for apart, together in rounds)
        figures["towers_apart_times_together"] = ratio
    return figures


def report(
    measured: Mapping[str, Turns],
    failed: Mapping[str, str],
    ceilings: Mapping[str, float],
    figures: Mapping[str, float],
) -> int:
    for precision, ceiling in ceilings.items():
        print(
            f"{precision}: matrix product of side {MATRIX_SIDE}, {ceiling / 1e12:.1f} TFLOP/s",
            file=sys.stderr,
        )
    rows: list[dict[str, Any]] = []
    for name, turns in measured.items():
        row = {figure: median(turns, figure) for figure in turns[0]}
        first = next(iter(row))
        rows.append({"name": name, **row, f"spread_of_{first}": spread(turns, first)})
        low, high = spread(turns, first)
        values = "  ".join(f"{figure} {value:,.3f}" for figure, value in row.items())
        print(f"{name:52} {values}  ({low:,.3f} to {high:,.3f})", file=sys.stderr)
    for name, why in failed.items():
        rows.append({"name": name, "failed": why})
        print(f"{name:52} FAILED: {why}", file=sys.stderr)
    held = {name: verdict(value, TARGETS[name]) for name, value in figures.items()}
    for name, each in held.items():
        mark = "held" if each["held"] else "NOT HELD"
        print(
            f"bf16 at 1024: {name:40} {each['value']:12,.2f}  target {each['target']:<9,} {mark}",
            file=sys.stderr,
        )
    machine = {
        "devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "matmul_flop_per_second": ceilings,
    }
    print(json.dumps({"benchmark": "gpu_step", "machine": machine, "rows": rows, "held": held}))
    return 1 if failed or not all(each["held"] for each in held.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
