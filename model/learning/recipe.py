"""How a network is trained, whole: a run records its recipe and needs nothing else to be repeated. Import-light."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class RecipeConfig(BaseModel):
    """A training recipe. Learning rates are per step; `weight_decay` is the paper's 0.0005, not half of it.

    `initialization`: `paper` draws every weight from N(0, 0.01) and sets the biases of P §5 to 1; `he` draws
    from N(0, 2/fan-in), scaled to the 0–255 input, with biases of 0.
    `schedule`: `plateau` divides the rate by 10 each time the validation error has not improved for `patience`
    epochs, `max_drops` times at most (P §5); `linear` rises over the first `warmup` share of the steps and
    falls to 0 over the rest.
    Raises pydantic's ValidationError for an unknown field.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    recipe: Literal["paper", "quick"]
    epochs: int = Field(ge=1)
    max_steps: int | None = Field(default=None, ge=1, description="ends the run early, whatever the epochs")
    global_batch_size: int = Field(ge=1, description="photos in a step, over all workers together")
    learning_rate: float = Field(gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0005, ge=0)
    initialization: Literal["paper", "he"]
    schedule: Literal["plateau", "linear"]
    patience: int = Field(default=5, ge=1, description="plateau: epochs without a better validation error")
    max_drops: int = Field(default=3, ge=0, description="plateau: how often the rate is divided by 10")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="linear: share of the steps that rise")
    random_crop: bool = True
    flip: bool = True
    colour_noise: bool = True

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Self:
        """The named recipe, less the overrides. Raises ValueError for a name that is none."""
        values = _PRESETS.get(name)
        if values is None:
            raise ValueError(f"recipe preset {name!r} is not one of {', '.join(_PRESETS)}")
        if "recipe" in overrides:
            raise ValueError(f"recipe is what preset={name!r} stands for and cannot be overridden")
        return cls.model_validate({"recipe": name, **values, **overrides})


_PRESETS: Final = MappingProxyType(
    {
        "paper": {
            "epochs": 90,
            "global_batch_size": 128,
            "learning_rate": 0.01,
            "initialization": "paper",
            "schedule": "plateau",
        },
        # For demos and CPUs: a start that trains at once, and one descent to 0 in a few epochs.
        "quick": {
            "epochs": 4,
            "global_batch_size": 64,
            "learning_rate": 0.005,
            "initialization": "he",
            "schedule": "linear",
            "colour_noise": False,
        },
    }
)
