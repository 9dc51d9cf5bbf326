"""How a network is taught: a frozen, documented recipe. Import-light: the control plane validates with it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field

from model.learning.optimizer_config import MomentumConfig, Optimizer
from model.learning.presets import PRESETS, Preset
from model.learning.schedule_config import EpochsSchedule, Schedule
from model.learning.strict import Strict

Initialization = Literal["paper", "original", "fan-in"]
Precision = Literal["fp32", "tf32", "bf16"]
Execution = Literal["eager", "compile", "cuda-graph"]


class RecipeConfig(Strict):
    """Everything that decides how a network learns, besides the network, the photos and the seed.

    Training ends after `epochs`, or after `max_steps` steps where that is sooner. `global_batch_size` counts
    the photos of one step on all workers. `learning_rate` is that of the first steps, or the highest where
    there is a warm-up; `weight_decay` and `momentum` are as the optimizer's formula has them.
    `initialization` is explained in `model.learning.initialize`; `random_crop`, `flip` and `colour_noise` are
    the paper's augmentations (P §4.1). A view that got colour noise is divided by `colour_noise_divisor`, the
    mean image having been subtracted. `precision` is explained in `model.learning.precision`, `execution` in
    `model.learning.execution`.

    The loss is the cross-entropy against the one class of each photo, unsmoothed. What is evaluated, stored
    and published are the parameters of the last step themselves, not a moving average of them.

    Raises pydantic's ValidationError for an unknown field or a value outside its range.
    """

    epochs: int = Field(ge=1, le=10**9)
    max_steps: int | None = Field(default=None, ge=1, le=10**12)
    global_batch_size: int = Field(ge=1, le=10**9)
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0005, ge=0, allow_inf_nan=False)
    optimizer: Optimizer = MomentumConfig()
    schedule: Schedule
    initialization: Initialization
    random_crop: bool = True
    flip: bool = True
    colour_noise: bool = True
    colour_noise_divisor: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    precision: Precision = "fp32"
    execution: Execution = "eager"

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Self:
        """The named recipe, less the overrides. Raises ValueError for an unknown name."""
        return cls.model_validate({**_known(name).recipe, **overrides})

    @classmethod
    def network_switches(cls, name: str) -> dict[str, Any]:
        """What the named recipe's source had otherwise in the network: overrides for `ModelConfig.preset`.

        Raises ValueError for an unknown name.
        """
        return dict(_known(name).network)

    def total_steps(self, steps_per_epoch: int) -> int:
        """Steps from the start of training to its end."""
        steps = self.epochs * steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def has_colour_noise(self, epoch: int) -> bool:
        """Whether views get colour noise in an epoch, counted from 0."""
        stage = self.schedule.stage_of(epoch) if isinstance(self.schedule, EpochsSchedule) else None
        return self.colour_noise and (stage is None or stage.colour_noise)

    @property
    def layers_with_own_rate(self) -> set[str]:
        """The layers that the schedule names; the network must have them."""
        return self.schedule.layers if isinstance(self.schedule, EpochsSchedule) else set()


def _known(name: str) -> Preset:
    preset = PRESETS.get(name)
    if preset is None:
        raise ValueError(f"recipe preset {name!r} is not one of {', '.join(PRESETS)}")
    return preset
