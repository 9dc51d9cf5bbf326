"""The paper's networks as tables: a line for each layer, as one tower holds it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from model.config import NetworkName

# "batch-norm" normalises a channel over the batch, "lrn" a pixel over neighbouring channels, "map-lrn" a
# pixel over its neighbours in the same map.
FollowUp = Literal["activation", "batch-norm", "lrn", "map-lrn", "pool", "dropout"]


@dataclass(frozen=True)
class Convolution:
    """A line of the table: a convolution as one tower holds it. Sizes in pixels, the same both ways.

    `then_2012` is what follows with norm="lrn-2012", where that differs.
    """

    name: str
    kernels: int
    kernel_side: int
    padding: tuple[int, int]  # before, after
    then: tuple[FollowUp, ...]
    stride: int = 1
    reads_all_towers: bool = False
    starting_bias: float = 0.0
    then_2012: tuple[FollowUp, ...] | None = None


@dataclass(frozen=True)
class FullyConnected:
    """A line of the table: a fully connected layer as one tower holds it. It reads all towers."""

    name: str
    units: int
    then: tuple[FollowUp, ...] = ("activation", "dropout")
    starting_bias: float = 1.0


# P §3.5: the activation, then LRN, then pooling.
_NORMALIZED: tuple[FollowUp, ...] = ("activation", "lrn", "pool")
# The 2012 source's net 145: conv1's LRN comes before the activation, and conv2's is followed by another.
_FIRST_IN_2012: tuple[FollowUp, ...] = ("lrn", "pool", "activation")
_SECOND_IN_2012: tuple[FollowUp, ...] = ("activation", "lrn", "map-lrn", "pool")
# cuda-convnet's CIFAR-10 nets pool first, which leaves a quarter of the activations to normalise.
_POOLED_FIRST: tuple[FollowUp, ...] = ("pool", "activation", "lrn")


def _first(kernels: int, kernel_side: int, stride: int) -> Convolution:
    return Convolution(
        "conv1", kernels, kernel_side, (0, 3), _NORMALIZED, stride=stride, then_2012=_FIRST_IN_2012
    )


def _second(kernels: int, kernel_side: int) -> Convolution:
    return Convolution(
        "conv2", kernels, kernel_side, (2, 2), _NORMALIZED, starting_bias=1.0, then_2012=_SECOND_IN_2012
    )


# P §3.5 and figure 2; starting biases P §5. Three pixels after a 224 input and none before make conv1's maps
# 55×55, as the 2012 source does by rounding the size of its maps up.
_ALEXNET = (
    _first(48, 11, stride=4),
    _second(128, 5),
    Convolution("conv3", 192, 3, (1, 1), ("activation",), reads_all_towers=True),
    Convolution("conv4", 192, 3, (1, 1), ("activation",), starting_bias=1.0),
    Convolution("conv5", 128, 3, (1, 1), ("activation", "pool"), starting_bias=1.0),
    FullyConnected("fc6", 2048),
    FullyConnected("fc7", 2048),
)

# The one-GPU net that the paper holds its two towers against (P §3.2): as many parameters or nearly, with
# half the kernels in all convolutions but the last, whose maps the fully connected layers read.
_ALEXNET_HALF = (
    _first(48, 11, stride=4),
    _second(128, 5),
    Convolution("conv3", 192, 3, (1, 1), ("activation",)),
    Convolution("conv4", 192, 3, (1, 1), ("activation",), starting_bias=1.0),
    Convolution("conv5", 256, 3, (1, 1), ("activation", "pool"), starting_bias=1.0),
    FullyConnected("fc6", 4096),
    FullyConnected("fc7", 4096),
)

# The same topology for a 64 input: 31×31 maps, pooled to 15, 7 and 3 as AlexNet's 55 are to 27, 13 and 6.
_ALEXNET_TINY = (
    _first(16, 7, stride=2),
    _second(32, 5),
    Convolution("conv3", 48, 3, (1, 1), ("activation",), reads_all_towers=True),
    Convolution("conv4", 48, 3, (1, 1), ("activation",), starting_bias=1.0),
    Convolution("conv5", 32, 3, (1, 1), ("activation", "pool"), starting_bias=1.0),
    FullyConnected("fc6", 128),
    FullyConnected("fc7", 128),
)

# Against alexnet-tiny what alexnet-half is against alexnet.
_ALEXNET_TINY_HALF = (
    _first(16, 7, stride=2),
    _second(32, 5),
    Convolution("conv3", 48, 3, (1, 1), ("activation",)),
    Convolution("conv4", 48, 3, (1, 1), ("activation",), starting_bias=1.0),
    Convolution("conv5", 64, 3, (1, 1), ("activation", "pool"), starting_bias=1.0),
    FullyConnected("fc6", 256),
    FullyConnected("fc7", 256),
)

# P's footnote 1 leaves the net of figure 1 to cuda-convnet's files: three 5×5 convolutions of 32, 32 and 64
# kernels, each pooled 3×3 at stride 2, then the classes (layers-18pct.cfg). Where those files take the mean
# of a window in the second and third pooling, this takes the maximum, as P §3.4 does throughout.
_CIFAR_4LAYER = (
    Convolution("conv1", 32, 5, (2, 2), _POOLED_FIRST),
    Convolution("conv2", 32, 5, (2, 2), _POOLED_FIRST),
    Convolution("conv3", 64, 5, (2, 2), ("pool", "activation")),
)

# Each network's hidden layers, and the name of the one that gives the logits.
TABLES: Final[MappingProxyType[NetworkName, tuple[tuple[Convolution | FullyConnected, ...], str]]] = (
    MappingProxyType(
        {
            "alexnet": (_ALEXNET, "fc8"),
            "alexnet-half": (_ALEXNET_HALF, "fc8"),
            "alexnet-tiny": (_ALEXNET_TINY, "fc8"),
            "alexnet-tiny-half": (_ALEXNET_TINY_HALF, "fc8"),
            "cifar-4layer": (_CIFAR_4LAYER, "fc4"),
        }
    )
)
