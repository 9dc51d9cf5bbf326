"""How a network is taught: a frozen, documented recipe. Import-light: the control plane validates with it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Initialization = Literal["paper", "fan-in"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class PlateauSchedule(_Strict):
    """Divide the learning rate by 10 whenever the validation error has stopped improving (P §5).

    It has stopped when `patience_epochs` epochs in a row brought no new lowest top-1 error: how its authors
    judged it, the paper does not say. After `drops` divisions the rate stays.
    """

    kind: Literal["plateau"] = "plateau"
    patience_epochs: int = Field(default=5, ge=1)
    drops: int = Field(default=3, ge=0)


class PolySchedule(_Strict):
    """Rise linearly over the first `warmup_fraction` of all steps, then fall to 0 as (1 − progress)^power."""

    kind: Literal["poly"] = "poly"
    power: float = Field(default=1.0, gt=0)
    warmup_fraction: float = Field(default=0.0, ge=0, lt=1)


Schedule = Annotated[PlateauSchedule | PolySchedule, Field(discriminator="kind")]


class RecipeConfig(_Strict):
    """Everything that decides how a network learns, besides the network, the photos and the seed.

    Training ends after `epochs`, or after `max_steps` steps where that is sooner. `global_batch_size` counts
    the photos of one step on all workers. `initialization` is explained in `model.learning.initialize`;
    `random_crop`, `flip` and `colour_noise` are the paper's augmentations (P §4.1).
    Raises pydantic's ValidationError for an unknown field or a value outside its range.
    """

    epochs: int = Field(ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    global_batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0005, ge=0, allow_inf_nan=False)
    schedule: Schedule
    initialization: Initialization
    random_crop: bool = True
    flip: bool = True
    colour_noise: bool = True

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Self:
        """The named recipe, less the overrides. Raises ValueError for an unknown name."""
        recipe = _PRESETS.get(name)
        if recipe is None:
            raise ValueError(f"recipe preset {name!r} is not one of {', '.join(_PRESETS)}")
        return cls.model_validate(dict(recipe) | overrides)

    def total_steps(self, steps_per_epoch: int) -> int:
        """Steps from the start of training to its end."""
        steps = self.epochs * steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)


_PRESETS: Final = MappingProxyType(
    {
        # P §5.
        "paper": MappingProxyType(
            {
                "epochs": 90,
                "global_batch_size": 128,
                "learning_rate": 0.01,
                "schedule": PlateauSchedule(),
                "initialization": "paper",
            }
        ),
        # For minutes on a CPU. Chosen by trial on CIFAR-10 and scanned digits: alexnet-tiny does not leave
        # chance in a few epochs from the paper's start, and colour noise pays only in longer runs.
        "quick": MappingProxyType(
            {
                "epochs": 4,
                "global_batch_size": 64,
                "learning_rate": 0.004,
                "schedule": PolySchedule(warmup_fraction=0.15),
                "initialization": "fan-in",
                "colour_noise": False,
            }
        ),
    }
)
