"""How the learning rate goes down: each schedule's settings. Import-light, as the recipe is."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model.learning.strict import Strict

_Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PlateauSchedule(Strict):
    """Divide the learning rate by 10 whenever the validation error has stopped improving (P §5).

    It has stopped when `patience_epochs` epochs in a row brought no new lowest top-1 error: how its authors
    judged it, the paper does not say. After `drops` divisions the rate stays.
    """

    kind: Literal["plateau"] = "plateau"
    patience_epochs: int = Field(default=5, ge=1)
    drops: int = Field(default=3, ge=0)


class PolySchedule(Strict):
    """Rise linearly over the first `warmup_fraction` of all steps, then fall to 0 as (1 − progress)^power."""

    kind: Literal["poly"] = "poly"
    power: float = Field(default=1.0, gt=0)
    warmup_fraction: float = Field(default=0.0, ge=0, lt=1)


class ExponentialSchedule(Strict):
    """Fall exponentially, to the recipe's rate divided by `total_division` (S, src/lr.cu: exp and dexp).

    Without `drops` the rate falls a little with every step. With them it falls so many times, each time by
    the same factor, after equal parts of training: `total_division=250, drops=3` is S's net 170, the rate
    divided by 250^(1/3) when 25, 50 and 75 % of the steps are done.
    """

    kind: Literal["exponential"] = "exponential"
    total_division: float = Field(gt=1, allow_inf_nan=False)
    drops: int | None = Field(default=None, ge=1)


class EpochStage(Strict):
    """What holds once `after_epochs` epochs are done, until the next stage.

    `layer_learning_rates` are those of layers that do not learn at `learning_rate`; at 0 a layer is frozen.
    Colour noise that is switched off in the recipe stays off.
    """

    after_epochs: int = Field(ge=1)
    learning_rate: _Rate
    layer_learning_rates: dict[str, _Rate] = Field(default_factory=dict)
    colour_noise: bool = True


class EpochsSchedule(Strict):
    """A table by epoch; until its first stage, every layer learns at the recipe's rate."""

    kind: Literal["epochs"] = "epochs"
    # Not strict about a list, which is all that JSON has.
    stages: Annotated[tuple[EpochStage, ...], Field(strict=False, min_length=1)]

    def stage_of(self, epoch: int) -> EpochStage | None:
        """The stage an epoch, counted from 0, falls into; None before the first."""
        return next((stage for stage in reversed(self.stages) if stage.after_epochs <= epoch), None)

    @property
    def layers(self) -> set[str]:
        """The layers that have a rate of their own in some stage."""
        return {layer for stage in self.stages for layer in stage.layer_learning_rates}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for place, (stage, following) in enumerate(pairwise(self.stages)):
            if following.after_epochs <= stage.after_epochs:
                raise ValueError(
                    f"stages[{place + 1}].after_epochs={following.after_epochs} does not come after"
                    f" stages[{place}].after_epochs={stage.after_epochs}"
                )
        return self


Schedule = Annotated[
    PlateauSchedule | PolySchedule | ExponentialSchedule | EpochsSchedule, Field(discriminator="kind")
]
