"""The layers, once, as data: whatever builds, fills, counts or stores a network reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from model.config import ModelConfig, NetworkName

FollowUp = Literal["activation", "lrn", "pool", "dropout"]


@dataclass(frozen=True)
class Convolution:
    """A line of the table: a convolution as one tower holds it. Sizes in pixels, the same both ways."""

    name: str
    kernels: int
    kernel_side: int
    padding: tuple[int, int]  # before, after
    then: tuple[FollowUp, ...]
    stride: int = 1
    reads_all_towers: bool = False
    starting_bias: float = 0.0


@dataclass(frozen=True)
class FullyConnected:
    """A line of the table: a fully connected layer as one tower holds it. It reads all towers."""

    name: str
    units: int
    then: tuple[FollowUp, ...] = ("activation", "dropout")
    starting_bias: float = 1.0


# P §3.5: the activation, then LRN, then pooling.
_NORMALIZED: tuple[FollowUp, ...] = ("activation", "lrn", "pool")
# cuda-convnet's CIFAR-10 nets pool first, which leaves a quarter of the activations to normalise.
_POOLED_FIRST: tuple[FollowUp, ...] = ("pool", "activation", "lrn")

# P §3.5 and figure 2; starting biases P §5. Three pixels after a 224 input and none before make conv1's maps
# 55×55, as the 2012 source does by rounding the size of its maps up.
_ALEXNET = (
    Convolution("conv1", 48, 11, (0, 3), _NORMALIZED, stride=4),
    Convolution("conv2", 128, 5, (2, 2), _NORMALIZED, starting_bias=1.0),
    Convolution("conv3", 192, 3, (1, 1), ("activation",), reads_all_towers=True),
    Convolution("conv4", 192, 3, (1, 1), ("activation",), starting_bias=1.0),
    Convolution("conv5", 128, 3, (1, 1), ("activation", "pool"), starting_bias=1.0),
    FullyConnected("fc6", 2048),
    FullyConnected("fc7", 2048),
)

# The one-GPU net that the paper holds its two towers against (P §3.2): as many parameters or nearly, with
# half the kernels in all convolutions but the last, whose maps the fully connected layers read.
_ALEXNET_HALF = (
    Convolution("conv1", 48, 11, (0, 3), _NORMALIZED, stride=4),
    Convolution("conv2", 128, 5, (2, 2), _NORMALIZED, starting_bias=1.0),
    Convolution("conv3", 192, 3, (1, 1), ("activation",)),
    Convolution("conv4", 192, 3, (1, 1), ("activation",), starting_bias=1.0),
    Convolution("conv5", 256, 3, (1, 1), ("activation", "pool"), starting_bias=1.0),
    FullyConnected("fc6", 4096),
    FullyConnected("fc7", 4096),
)

# The same topology for a 64 input: 31×31 maps, pooled to 15, 7 and 3 as AlexNet's 55 are to 27, 13 and 6.
_ALEXNET_TINY = (
    Convolution("conv1", 16, 7, (0, 3), _NORMALIZED, stride=2),
    Convolution("conv2", 32, 5, (2, 2), _NORMALIZED, starting_bias=1.0),
    Convolution("conv3", 48, 3, (1, 1), ("activation",), reads_all_towers=True),
    Convolution("conv4", 48, 3, (1, 1), ("activation",), starting_bias=1.0),
    Convolution("conv5", 32, 3, (1, 1), ("activation", "pool"), starting_bias=1.0),
    FullyConnected("fc6", 128),
    FullyConnected("fc7", 128),
)

# P's footnote 1 leaves the net of figure 1 to cuda-convnet's files: three 5×5 convolutions of 32, 32 and 64
# kernels, each pooled 3×3 at stride 2, then the classes (layers-18pct.cfg). Where those files take the mean
# of a window in the second and third pooling, this takes the maximum, as P §3.4 does throughout.
_CIFAR_4LAYER = (
    Convolution("conv1", 32, 5, (2, 2), _POOLED_FIRST),
    Convolution("conv2", 32, 5, (2, 2), _POOLED_FIRST),
    Convolution("conv3", 64, 5, (2, 2), ("pool", "activation")),
)

_TABLES: dict[NetworkName, tuple[tuple[Convolution | FullyConnected, ...], str]] = {
    "alexnet": (_ALEXNET, "fc8"),
    "alexnet-half": (_ALEXNET_HALF, "fc8"),
    "alexnet-tiny": (_ALEXNET_TINY, "fc8"),
    "cifar-4layer": (_CIFAR_4LAYER, "fc4"),
}

_IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Layer:
    """A layer with its sizes worked out.

    `weight_shape` is that of one tower's share: [outputs, inputs] or [outputs, inputs, side, side].
    `exchange` says that a tower reads the others' maps here; `map_side` is the side, in pixels, of the maps
    that the layer makes, before any pooling, and 1 for a fully connected layer.
    """

    name: str
    weight_shape: tuple[int, ...]
    then: tuple[FollowUp, ...]
    towers: int
    exchange: bool
    starting_bias: float
    map_side: int = 1
    stride: int = 1
    padding: tuple[int, int] = (0, 0)

    @property
    def is_convolution(self) -> bool:
        return len(self.weight_shape) == 4

    @property
    def fan_in(self) -> int:
        """Inputs that one output sums over."""
        return prod(self.weight_shape[1:])

    @property
    def canonical_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of weight and bias with all towers' outputs in one tensor."""
        outputs = self.towers * self.weight_shape[0]
        return {"weight": (outputs, *self.weight_shape[1:]), "bias": (outputs,)}

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for shape in self.canonical_shapes.values())

    @property
    def neurons(self) -> int:
        """Activations per image, before any pooling."""
        return self.towers * self.weight_shape[0] * self.map_side**2

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one image's forward pass."""
        return self.neurons * self.fan_in


def layers_of(config: ModelConfig) -> tuple[Layer, ...]:
    """The network's layers in order, the last giving the logits; it is held whole by tower 0."""
    table, output_name = _TABLES[config.network]
    layers: list[Layer] = []
    channels, side = _IMAGE_CHANNELS, config.input_size
    for row in table:
        if isinstance(row, Convolution):
            layer = _convolution(row, channels, side, config)
            side = layer.map_side // 2 if "pool" in row.then else layer.map_side
        else:
            layer = _fully_connected(row, channels * side**2, config)
            side = 1
        layers.append(layer)
        channels = layer.weight_shape[0]
    inputs = config.towers * channels * side**2
    output = Layer(
        output_name, (config.num_classes, inputs), (), towers=1, exchange=config.towers > 1, starting_bias=0.0
    )
    return (*layers, output)


def _convolution(row: Convolution, channels: int, side: int, config: ModelConfig) -> Layer:
    exchange = row.reads_all_towers and config.exchange
    inputs = channels * config.towers if exchange else channels
    return Layer(
        row.name,
        (row.kernels, inputs, row.kernel_side, row.kernel_side),
        row.then,
        towers=config.towers,
        exchange=exchange,
        starting_bias=row.starting_bias,
        map_side=(side + sum(row.padding) - row.kernel_side) // row.stride + 1,
        stride=row.stride,
        padding=row.padding,
    )


def _fully_connected(row: FullyConnected, features: int, config: ModelConfig) -> Layer:
    inputs = features * config.towers if config.exchange else features
    return Layer(
        row.name,
        (row.units, inputs),
        row.then,
        towers=config.towers,
        exchange=config.exchange and config.towers > 1,
        starting_bias=row.starting_bias,
    )
