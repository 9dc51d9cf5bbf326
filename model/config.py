"""Which network, with which of the paper's claims switched on. Import-light: specifications need it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NetworkName = Literal["alexnet", "alexnet-half", "alexnet-tiny", "alexnet-tiny-half", "cifar-4layer"]
Norm = Literal["lrn", "lrn-2012", "batch"]


class _Frame(NamedTuple):
    """What of a network has to be known before any layer is built."""

    towers: int
    image_size: int
    input_size: int
    dropout: float


_FRAMES: Final = MappingProxyType(
    {
        "alexnet": _Frame(towers=2, image_size=256, input_size=224, dropout=0.5),
        "alexnet-half": _Frame(towers=1, image_size=256, input_size=224, dropout=0.5),
        # Dropout doubles the steps to convergence (P §4.2), and this one is trained for minutes.
        "alexnet-tiny": _Frame(towers=2, image_size=72, input_size=64, dropout=0.0),
        "alexnet-tiny-half": _Frame(towers=1, image_size=72, input_size=64, dropout=0.0),
        "cifar-4layer": _Frame(towers=1, image_size=32, input_size=32, dropout=0.0),
    }
)


class ModelConfig(BaseModel):
    """A network and its switches; `preset` fills in what the paper chose.

    `norm` is what normalises: "lrn", local response normalisation as the paper has it (P §3.3); "lrn-2012",
    as the 2012 source ran it, its sums divided by their number of terms, before conv1's activation, and on
    conv2 followed by a second one within each map; "batch", batch normalisation before the activation of
    every convolution and no LRN, for large batches (You et al., 1708.03888, AlexNet-BN). `lrn=False` leaves
    LRN out.
    `dropout` is the probability of dropping a hidden fully connected unit; 0 switches it off.
    Raises pydantic's ValidationError for an unknown field or a combination that means nothing.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    network: NetworkName
    num_classes: int = Field(ge=2)
    activation: Literal["relu", "tanh"] = "relu"
    lrn: bool = True
    norm: Norm = "lrn"
    pooling: Literal["overlapping", "disjoint"] = "overlapping"
    exchange: bool = True
    dropout: float = Field(ge=0, lt=1)

    @classmethod
    def preset(cls, name: str, *, num_classes: int, **overrides: Any) -> Self:
        """The named network as the paper has it, less the overrides."""
        frame = _FRAMES.get(name)
        if frame is None:
            raise ValueError(f"model preset {name!r} is not one of {', '.join(_FRAMES)}")
        if "network" in overrides:
            raise ValueError(f"network is what preset={name!r} stands for and cannot be overridden")
        values = {"network": name, "num_classes": num_classes, "dropout": frame.dropout}
        return cls.model_validate(values | overrides)

    @property
    def towers(self) -> int:
        return _FRAMES[self.network].towers

    @property
    def image_size(self) -> int:
        """Side, in pixels, of the square photos the network expects in a dataset."""
        return _FRAMES[self.network].image_size

    @property
    def input_size(self) -> int:
        """Side, in pixels, of the view cut from a photo and shown to the network."""
        return _FRAMES[self.network].input_size

    @model_validator(mode="after")
    def _refuse_nonsense(self) -> Self:
        if self.towers == 1 and not self.exchange:
            raise ValueError(f"exchange=False needs two towers, and network={self.network!r} has one")
        if not self.lrn and self.norm != "lrn":
            raise ValueError(f"lrn=False and norm={self.norm!r} exclude each other: leave one of them out")
        if self.network == "cifar-4layer" and self.norm == "lrn-2012":
            raise ValueError(
                f"norm={self.norm!r} is about AlexNet's conv1 and conv2, "
                f"and network={self.network!r} has neither"
            )
        if self.network == "cifar-4layer" and self.dropout > 0:
            raise ValueError(
                f"dropout={self.dropout} needs a hidden fully connected layer, "
                f"and network={self.network!r} has none"
            )
        return self
