"""`make bench-model`: Tandem's AlexNet on the CPU beside the network as its users write it today.

Batches of 32 images, float32, two threads. LRN forward and backward at conv1's shape, a whole training step
(views, loss, backward, update) and inference; all contenders of a part take turns, and figures are medians of
what a round's turns are to each other. The peak of memory is that of a process that takes a few training
steps and does nothing else. A table goes to stderr; the last line of stdout is one JSON object. Exits 1 when
a figure is not held.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from figures import report
from naive_alexnet import LEARNING_RATE, naive_alexnet, naive_step
from torch import Tensor, nn

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.fastest_placement import fastest_placement
from model.network.lrn import local_response_norm
from model.network.placement import Placement

BATCH, THREADS, MEMORY_STEPS = 32, 2, 4
CONFIG = ModelConfig.preset("alexnet", num_classes=1000)
NAIVE, TOGETHER, APART = "naive", "tandem, towers together", "tandem, towers apart"
PLACEMENTS = {TOGETHER: Placement.one("cpu"), APART: Placement.two("cpu", "cpu")}
TARGETS = {
    "lrn_times_torch": (2.0, "at least"),
    "training_times_naive": (1.4, "at least"),
    "inference_times_naive": (1.5, "at least"),
    "towers_apart_times_together": (1.05, "at most"),
    "peak_memory_times_naive": (1.0, "at most"),
}

Turn = Callable[[], object]
Seconds = dict[str, list[float]]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9, help="turns each contender takes")
    arguments.add_argument("--peak-of", choices=(NAIVE, *PLACEMENTS), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    torch.set_num_threads(THREADS)
    if options.peak_of:
        print(peak_bytes(options.peak_of))
        return 0
    lrn = take_turns(lrn_turns(), options.rounds)
    training, inference = measure_networks(options.rounds)
    memory = {name: [peak_in_own_process(name) for _ in range(3)] for name in (NAIVE, *PLACEMENTS)}
    chosen = fastest_placement(CONFIG, PLACEMENTS[APART], BATCH)
    ours = next(name for name, placement in PLACEMENTS.items() if placement == chosen)
    print(f"measured on this machine, the faster one: {ours}", file=sys.stderr)
    contenders = {
        f"{part}: {name}": [{figure: value} for value in values]
        for part, figure, measured in (
            ("LRN forward and backward", "seconds", lrn),
            ("training step", "seconds", training),
            ("inference", "seconds", inference),
            ("peak of training", "bytes", memory),
        )
        for name, values in measured.items()
    }
    figures = {
        "lrn_times_torch": ratio(lrn, "torch", "tandem"),
        "training_times_naive": ratio(training, NAIVE, ours),
        "inference_times_naive": ratio(inference, NAIVE, ours),
        "towers_apart_times_together": ratio(training, APART, TOGETHER),
        "peak_memory_times_naive": statistics.median(memory[ours]) / statistics.median(memory[NAIVE]),
    }
    return report("model", contenders, figures, TARGETS)


def measure_networks(rounds: int) -> tuple[Seconds, Seconds]:
    """Seconds of a training step and of an inference, by contender."""
    images, labels = made_up_batch()
    # Each has its images as its own loader would hand them over.
    for_naive, for_ours = images, images.contiguous(memory_format=torch.channels_last)
    naive = naive_alexnet()
    ours = {name: AlexNet(CONFIG, placement) for name, placement in PLACEMENTS.items()}
    step = naive_step(naive)
    steps = {name: training_steps(network, for_ours, labels) for name, network in ours.items()}
    training: dict[str, Turn] = {NAIVE: lambda: step(for_naive, labels)}
    training |= {name: each.__next__ for name, each in steps.items()}
    inference: dict[str, Turn] = {NAIVE: inferring(naive, for_naive)}
    inference |= {name: inferring(network, for_ours) for name, network in ours.items()}
    return take_turns(training, rounds), take_turns(inference, rounds)


def made_up_batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, CONFIG.input_size, CONFIG.input_size, generator=generator) * 60
    return images, torch.randint(CONFIG.num_classes, (BATCH,), generator=generator)


def training_steps(network: AlexNet, images: Tensor, labels: Tensor) -> Iterator[object]:
    """The product's own loop: every `next` is one step."""
    recipe = RecipeConfig.preset("paper", learning_rate=LEARNING_RATE)
    trainer = Trainer(network, recipe, steps_per_epoch=10**6)
    return trainer.train_epoch(iter(lambda: (images, labels), None))


def inferring(network: nn.Module, images: Tensor) -> Turn:
    @torch.inference_mode()
    def infer() -> None:
        network.eval()(images)

    return infer


def lrn_turns() -> dict[str, Turn]:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(BATCH, 96, 55, 55, generator=generator).mul_(60).relu_()
    gradient = torch.randn(maps.shape, generator=generator)
    ours = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    ours_gradient = gradient.contiguous(memory_format=torch.channels_last)
    torchs = maps.requires_grad_()
    return {
        "torch": lambda: torch.autograd.grad(
            F.local_response_norm(torchs, 5, alpha=5e-4, beta=0.75, k=2), torchs, gradient
        ),
        "tandem": lambda: torch.autograd.grad(local_response_norm(ours, towers=2), ours, ours_gradient),
    }


def take_turns(turns: dict[str, Turn], rounds: int) -> Seconds:
    """Seconds of every turn, the first of each, in which memory is first touched, left out."""
    seconds: Seconds = {name: [] for name in turns}
    for _ in range(rounds + 1):
        for name, turn in turns.items():
            began = time.perf_counter()
            turn()
            seconds[name].append(time.perf_counter() - began)
    return {name: values[1:] for name, values in seconds.items()}


def ratio(seconds: Seconds, upper: str, lower: str) -> float:
    """The median of how many times `lower`'s turn `upper`'s took in the same round."""
    rounds = zip(seconds[upper], seconds[lower], strict=True)
    return statistics.median(above / below for above, below in rounds)


def peak_in_own_process(name: str) -> int:
    command = [sys.executable, str(Path(__file__)), "--peak-of", name]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def peak_bytes(name: str) -> int:
    """The peak of this process's resident memory once a contender has trained in it."""
    images, labels = made_up_batch()
    if name == NAIVE:
        step = naive_step(naive_alexnet())
        for _ in range(MEMORY_STEPS):
            step(images, labels)
    else:
        views = images.contiguous(memory_format=torch.channels_last)
        steps = training_steps(AlexNet(CONFIG, PLACEMENTS[name]), views, labels)
        for _ in range(MEMORY_STEPS):
            next(steps)
    # Not getrusage's: that one begins with the parent's.
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) * 1024


if __name__ == "__main__":
    sys.exit(main())
