"""Training as a loop that yields; what to do between steps, its caller decides.

Shapes: N images of this rank, S the input's side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.errors import DivergedError
from model.learning.chance import seed_step
from model.learning.metrics import Evaluation, evaluate_logits
from model.learning.optimizer import optimizer_of
from model.learning.precision import casting_to, products_in
from model.learning.recipe import RecipeConfig
from model.learning.schedule import ScheduleState, schedule_of
from model.network.dropout import Share, share_batch

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class StepReport:
    """One step done: how many there were since training began, the epoch (from 0) it fell into, this rank's
    mean loss in nats before the update, the learning rate of the update, and this rank's images in it.

    The learning rate is that of weights in layers which have none of their own.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    samples: int


class TrainerState(TypedDict):
    """Where training stands. `velocity` is by the network's parameter names and not a copy."""

    step: int
    epoch: int
    schedule: ScheduleState
    velocity: dict[str, Tensor]


class Trainer:
    """Teaches a network, bare or wrapped in DistributedDataParallel, by a recipe.

    `share` is what this rank holds of each global batch; without it, all. Chance (dropout) is a function of
    (seed, step) and the image's place in the global batch: torch's generators are seeded before each step,
    alike on all ranks and on each GPU of a rank by itself (`seed_step`), so training continues from a state
    exactly as it would have gone on.
    Raises ValueError for a recipe with learning rates for layers that the network does not have.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: RecipeConfig,
        *,
        steps_per_epoch: int,
        seed: int = 0,
        share: Share | None = None,
    ) -> None:
        self.step = 0
        self.epoch = 0
        self.total_steps = recipe.total_steps(steps_per_epoch)
        self._network = network
        self._bare_network = network.module if isinstance(network, DistributedDataParallel) else network
        self._devices = list(dict.fromkeys(each.device for each in self._bare_network.parameters()))
        self._optimizer = optimizer_of(recipe, self._bare_network.named_parameters())
        self._schedule = schedule_of(recipe, self.total_steps)
        self._precision = recipe.precision
        self._seed = seed
        self._weight = share.weight if share else 1.0
        if share:
            share_batch(self._bare_network, share)

    @property
    def finished(self) -> bool:
        """Whether the recipe's last step is done."""
        return self.step >= self.total_steps

    @property
    def learning_rate(self) -> float:
        """The rate of the next step, as `StepReport` has it."""
        return self._schedule.rates(self.step, self.epoch).base

    @property
    def last_learning_rate(self) -> float:
        """The rate of the last step, before `end_epoch` has ended the epoch it fell into."""
        return self._schedule.rates(self.step - 1, self.epoch).base

    def train_epoch(self, batches: Iterable[Batch]) -> Iterator[StepReport]:
        """One step for each batch, until there are none or the recipe's last step is done.

        A batch is float32 images [N, 3, S, S], as the network takes them, and int64 labels [N]. Between two
        reports the trainer is at rest: it may be asked for its state, or left. `end_epoch` ends the epoch.
        Raises DivergedError, the network as it was before the step, when the loss is not a finite number.
        """
        if self.finished:
            return
        self._network.train()
        for images_N3SS, labels_N in batches:
            yield self._train_step(images_N3SS, labels_N)
            if self.finished:
                return

    def end_epoch(self, val_top1_error: float | None) -> None:
        """Moves on to the next epoch; the schedule takes note of the error, a fraction."""
        self.epoch += 1
        self._schedule.end_epoch(val_top1_error)

    def evaluate(self, batches: Iterable[Batch]) -> Evaluation:
        """Sums over the batches, without dropout; every rank may see another number of them."""
        self._network.eval()
        total = Evaluation()
        with torch.inference_mode(), products_in(self._precision):
            for images_N3SS, labels_N in batches:
                with casting_to(self._precision, images_N3SS.device):
                    logits_NK = self._bare_network(images_N3SS)
                    total += evaluate_logits(logits_NK, labels_N.to(logits_NK.device))
        return total

    def state_dict(self) -> TrainerState:
        return TrainerState(
            step=self.step,
            epoch=self.epoch,
            schedule=self._schedule.state_dict(),
            velocity=self._optimizer.velocity,
        )

    def load_state_dict(self, state: TrainerState) -> None:
        """Continues from a state; the network's parameters are loaded apart."""
        self.step = state["step"]
        self.epoch = state["epoch"]
        self._schedule.load_state_dict(state["schedule"])
        self._optimizer.load_velocity(state["velocity"])

    def _train_step(self, images_N3SS: Tensor, labels_N: Tensor) -> StepReport:
        rates = self._schedule.rates(self.step, self.epoch)
        seed_step(self._devices, self._seed, self.step)
        self._network.zero_grad()
        with products_in(self._precision):
            with casting_to(self._precision, images_N3SS.device):
                logits_NK = self._network(images_N3SS)
                loss = F.cross_entropy(logits_NK, labels_N.to(logits_NK.device))
            # DistributedDataParallel takes the plain mean of what the ranks give.
            torch.autograd.backward(loss, torch.full_like(loss, self._weight))
        # Looked at only now: with several ranks, all of them have to take part in backward.
        loss_value = loss.item()
        if not math.isfinite(loss_value):
            raise DivergedError(self.step + 1, rates.base, loss_value)
        self._optimizer.step(rates)
        self.step += 1
        return StepReport(self.step, self.epoch, loss_value, rates.base, len(labels_N))
