"""What Ray's autoscaler may add: how many worker nodes there may be at once, and what each of them has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Growth(BaseModel):
    """The worker nodes that a cluster has when it has grown as far as it may."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(ge=1)
    cpus: int = Field(ge=1)
    gpus: int = Field(default=0, ge=0)


def parse_growth(text: str) -> Growth:
    """Reads `workers=4,cpus=8,gpus=2`; raises ValueError for anything else."""
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        return Growth.model_validate({name.strip(): value.strip() for name, _, value in pairs})
    except ValidationError as error:
        raise ValueError(
            f"{text!r} is no growth: write the most worker nodes and what each has, as in"
            " workers=4,cpus=8,gpus=2"
        ) from error
