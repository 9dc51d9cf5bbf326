"""Training as a loop that yields: the caller hears of every step and decides what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.errors import DivergedError
from model.learning.metrics import Evaluation, count_errors, total
from model.learning.optimizer import PaperSGD
from model.learning.recipe import RecipeConfig
from model.learning.schedule import schedule_of


class StepReport(NamedTuple):
    """One step: `step` counts from 1 over the whole training, `loss` is the mean over this rank's slice."""

    step: int
    epoch: int
    loss: float
    learning_rate: float
    samples: int


class Position(NamedTuple):
    """Where a training stands: the epoch, and the steps of it that are done."""

    epoch: int
    step_in_epoch: int


class Trainer:
    """Trains a network (or one wrapped for several ranks) by a recipe.

    Images come as the network takes them, float32 [N, 3, C, C], with labels int64 [N] on any device.
    """

    def __init__(
        self, network: nn.Module, recipe: RecipeConfig, *, steps_per_epoch: int, seed: int = 0
    ) -> None:
        """`seed`, below 2³², decides which units dropout drops; each rank has one of its own."""
        assert steps_per_epoch > 0
        self._network = network
        self._seed = seed
        self._steps_per_epoch = steps_per_epoch
        planned = recipe.epochs * steps_per_epoch
        self.total_steps = planned if recipe.max_steps is None else min(planned, recipe.max_steps)
        self.step = 0
        self.schedule = schedule_of(recipe, self.total_steps)
        self.optimizer = PaperSGD(
            network.parameters(), momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )

    @property
    def is_done(self) -> bool:
        return self.step >= self.total_steps

    @property
    def position(self) -> Position:
        return Position(*divmod(self.step, self._steps_per_epoch))

    @property
    def epochs_done(self) -> int:
        """Epochs trained to their end, or to the end of the training."""
        epoch, step_in_epoch = self.position
        return epoch + 1 if step_in_epoch else epoch

    def train_epoch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[StepReport]:
        """Takes a step for each batch, to the end of the batches or of the training; yields after each.

        Raises `DivergedError` when a loss is not a finite number, before it changes the network.
        """
        self._network.train()
        epoch = self.position.epoch
        for images, labels in batches:
            learning_rate = self.schedule.learning_rate(self.step)
            loss = self._step(images, labels, learning_rate)
            yield StepReport(self.step, epoch, loss, learning_rate, len(labels))
            if self.is_done:
                return

    def _step(self, images: Tensor, labels: Tensor, learning_rate: float) -> float:
        self.optimizer.zero_grad()
        # What a step drops depends on seed and step alone, so a resumed training needs no generator's state.
        torch.manual_seed(self._seed << 32 | self.step)
        logits = self._network(images)
        loss = F.cross_entropy(logits, labels.to(logits.device))
        value = loss.item()
        if not math.isfinite(value):
            raise DivergedError(self.step + 1, learning_rate, value)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step(learning_rate)
        self.step += 1
        return value

    @torch.no_grad()
    def evaluate(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Evaluation:
        """Counts the errors over the batches, with dropout off."""
        self._network.eval()
        counted = []
        for images, labels in batches:
            logits = self._network(images)
            counted.append(count_errors(logits, labels.to(logits.device)))
        return total(counted)

    def end_epoch(self, val_top1_error: float) -> None:
        """Tells the schedule how validation went."""
        self.schedule.end_epoch(val_top1_error)

    def state_dict(self) -> dict[str, Any]:
        """{step, schedule}, all that a training is beside tensors: parameters, velocities, generator states."""
        return {"step": self.step, "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.step = int(state["step"])
        self.schedule.load_state_dict(state["schedule"])
