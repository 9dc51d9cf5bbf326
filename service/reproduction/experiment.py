"""One network trained on one dataset in this process, and evaluated after every epoch."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from pipeline.batches.augment import Augmentation
from pipeline.batches.device_batches import device_batches
from pipeline.batches.loader import ShardLoader
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews
from pipeline.shards.statistics import Statistics
from service.reproduction.curve import Point

_CPU: Final = torch.device("cpu")
_EVALUATION_BATCH: Final = 250
# Which training photos are measured must not depend on the seed of the training.
_MEASURING_SEED: Final = 2012


class Experiment:
    """A network on the CPU, from its first parameters on. The same arguments give the same points.

    `train_photos_measured` is rounded up to whole batches, and may be more than there are.
    Raises ValueError when the dataset has fewer training photos than one batch of the recipe.
    """

    def __init__(
        self,
        dataset: Path,
        model: ModelConfig,
        recipe: RecipeConfig,
        *,
        seed: int,
        train_photos_measured: int,
        num_threads: int,
    ) -> None:
        self._recipe, self._seed = recipe, seed
        self._statistics = Statistics.load(dataset)
        self._cutter = ViewCutter(
            torch.from_numpy(self._statistics.mean_image),
            model.input_size,
            memory_format=torch.channels_last,
        )
        self._views = EvaluationViews(self._cutter)
        loader = partial(ShardLoader, dataset, num_threads=num_threads)
        self._train = loader("train", batch_size=recipe.global_batch_size, seed=seed)
        measured = min(_EVALUATION_BATCH, self._statistics.count)
        self._train_measured = loader("train", batch_size=measured, seed=_MEASURING_SEED)
        self._batches_measured = -(-train_photos_measured // measured)
        self._test = loader("val", batch_size=_EVALUATION_BATCH)
        network = AlexNet(model, _placement(model))
        network.load_canonical_parameters(starting_parameters(model, recipe.initialization, seed))
        self._trainer = Trainer(network, recipe, steps_per_epoch=len(self._train), seed=seed)

    def points(self) -> Iterator[Point]:
        """One before the first step, then one after each epoch. Raises DivergedError."""
        yield self._point(None)
        while not self._trainer.finished:
            with closing(self._training_batches()) as batches:
                losses = [report.loss for report in self._trainer.train_epoch(batches)]
            self._trainer.end_epoch(None)
            yield self._point(sum(losses) / len(losses))

    def _point(self, train_loss: float | None) -> Point:
        return Point(
            self._trainer.epoch,
            self._trainer.step,
            train_loss,
            self._error(self._train_measured, self._batches_measured),
            self._error(self._test, None),
        )

    def _error(self, loader: ShardLoader, batches: int | None) -> float:
        loader.set_epoch(0)
        centre = device_batches(loader, lambda images, _: self._views.centre_view(images), _CPU)
        with closing(centre):
            return self._trainer.evaluate(islice(centre, batches)).top1_error

    def _training_batches(self) -> Generator[tuple[Tensor, Tensor]]:
        epoch = self._trainer.epoch
        self._train.set_epoch(epoch)
        augmentation = Augmentation(
            self._statistics,
            self._cutter,
            self._seed,
            random_crop=self._recipe.random_crop,
            flip=self._recipe.flip,
            colour_noise=self._recipe.has_colour_noise(epoch),
            colour_noise_divisor=self._recipe.colour_noise_divisor,
        )
        return device_batches(self._train, partial(augmentation.training_views, epoch=epoch), _CPU)


def _placement(model: ModelConfig) -> Placement:
    return Placement.one(_CPU) if model.towers == 1 else Placement.two(_CPU, _CPU)
