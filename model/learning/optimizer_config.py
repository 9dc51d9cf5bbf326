"""What a gradient does to a parameter: each update rule's settings. Import-light, as the recipe is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model.learning.strict import Strict


class MomentumConfig(Strict):
    """The paper's update rule (P §5), the same for all parameters unless biases are told apart.

    Biases learn at `bias_rate_factor` times the weights' rate, and decay as weights do if `decay_biases`.
    """

    kind: Literal["momentum"] = "momentum"
    bias_rate_factor: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    decay_biases: bool = True


class LarsConfig(Strict):
    """Layer-wise adaptive rate scaling (You, Gitman, Ginsburg, 1708.03888); `trust_coefficient` is its η."""

    kind: Literal["lars"] = "lars"
    trust_coefficient: float = Field(default=0.001, gt=0, allow_inf_nan=False)


Optimizer = Annotated[MomentumConfig | LarsConfig, Field(discriminator="kind")]
