"""`python bare_training.py RUN_JSON STEPS`: what a run trains, in a loop in this process and nothing else.

Prints the monotonic seconds at the end of every step, a line each. With 0 steps it trains until it is ended.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from model.learning.initialize import starting_parameters
from model.learning.trainer import Batch, Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from pipeline.batches.augment import Augmentation
from pipeline.batches.device_batches import device_batches
from pipeline.batches.loader import ShardLoader
from pipeline.batches.view_cutter import ViewCutter
from pipeline.shards.statistics import Statistics
from service.domain.resolved_run import ResolvedRun

RUN = ResolvedRun.model_validate_json(Path(sys.argv[1]).read_text())
STEPS = int(sys.argv[2])
CPU = torch.device("cpu")


def main() -> None:
    torch.set_num_threads(RUN.allocation.cpus_per_worker)
    dataset, recipe, seed = Path(RUN.dataset.path), RUN.recipe, RUN.spec.seed
    network = AlexNet(RUN.model, Placement.two(CPU, CPU))
    network.load_canonical_parameters(starting_parameters(RUN.model, recipe.initialization, seed))
    loader = ShardLoader(
        dataset,
        "train",
        batch_size=recipe.global_batch_size,
        seed=seed,
        num_threads=RUN.allocation.cpus_per_worker,
        config=RUN.spec.loading,
    )
    statistics = Statistics.load(dataset)
    mean_image = torch.from_numpy(statistics.mean_image)
    cutter = ViewCutter(mean_image, RUN.model.input_size, memory_format=torch.channels_last)
    augmentation = Augmentation(
        statistics,
        cutter,
        seed,
        random_crop=recipe.random_crop,
        flip=recipe.flip,
        colour_noise=recipe.has_colour_noise(0),
        colour_noise_divisor=recipe.colour_noise_divisor,
    )

    def batches() -> Iterator[Batch]:
        for epoch in itertools.count():
            loader.set_epoch(epoch)
            yield from device_batches(loader, partial(augmentation.training_views, epoch=epoch), CPU)

    trainer = Trainer(network, recipe, steps_per_epoch=10**6, seed=seed)
    for report in itertools.islice(trainer.train_epoch(batches()), STEPS or None):
        print(report.step, time.monotonic(), flush=True)


main()
