"""How long training stands still for a checkpoint of the paper's network: written at once, and beside steps.

`python tests/benchmarks/checkpoint_stall.py [FOLDER]`, the folder being on the disk in question.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import torch
from figures import report

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from model.snapshot import Snapshot

BATCH = 32
ROUNDS = 5
STEPS = 4
MEAN_IMAGE = torch.zeros(256, 256, 3)


Seconds = list[dict[str, float]]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(dir=arguments.parse_args().folder) as folder:
        return report("checkpoint-stall", measured(Path(folder) / "step-1"), {}, {})


def measured(checkpoint: Path) -> dict[str, Seconds]:
    config = ModelConfig.preset("alexnet", num_classes=1000)
    network = AlexNet(config, Placement.two("cpu", "cpu"))
    network.load_canonical_parameters(starting_parameters(config, "paper", seed=0))
    trainer = Trainer(network, RecipeConfig.preset("paper"), steps_per_epoch=10**6)
    batch = torch.randn(BATCH, 3, 224, 224), torch.arange(BATCH)
    step = trainer.train_epoch(repeat(batch)).__next__
    step()
    alone: Seconds = []
    beside: Seconds = []
    at_once: Seconds = []
    copied: Seconds = []
    with ThreadPoolExecutor(1) as writer:
        for _ in range(ROUNDS):
            alone += [timed(step) for _ in range(STEPS)]
            at_once.append(timed(lambda: snapshot(network, trainer).write(checkpoint)))
            copied.append(timed(lambda: writer.submit(snapshot(network, trainer).write, checkpoint)))
            writing = writer.submit(time.monotonic)
            while not writing.done():
                beside.append(timed(step))
    return {
        "a step": alone,
        "a step while a checkpoint is written": beside,
        "standing still: copied and written at once": at_once,
        "standing still: copied, written beside steps": copied,
    }


def snapshot(network: AlexNet, trainer: Trainer) -> Snapshot:
    return Snapshot.of(network, trainer, MEAN_IMAGE, {})


def timed(work: Callable[[], object]) -> dict[str, float]:
    began = time.perf_counter()
    work()
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    sys.exit(main())
