"""The layers with their sizes worked out: what builds, fills, counts or stores a network reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from model.config import ModelConfig
from model.network.table import TABLES, Convolution, FollowUp, FullyConnected

_IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Layer:
    """A layer with its sizes worked out.

    `weight_shape` is that of one tower's share: [outputs, inputs] or [outputs, inputs, side, side].
    `exchange` says that a tower reads the others' maps here, `reads_own` that it reads nothing but its own:
    of the first layer, which reads the image, neither is true. `map_side` is the side, in pixels, of the maps
    that the layer makes, before any pooling, and 1 for a fully connected layer.
    """

    name: str
    weight_shape: tuple[int, ...]
    then: tuple[FollowUp, ...]
    towers: int
    exchange: bool
    reads_own: bool
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
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is learnt, with all towers' outputs in one tensor."""
        outputs = self.towers * self.weight_shape[0]
        learnt = ("bias", *(("norm.weight", "norm.bias") if self.batch_normalized else ()))
        return {"weight": (outputs, *self.weight_shape[1:])} | dict.fromkeys(learnt, (outputs,))

    @property
    def canonical_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is learnt and of what is gathered from the batches seen, in the same layout."""
        gathered = ("norm.running_mean", "norm.running_var") if self.batch_normalized else ()
        return self.parameter_shapes | dict.fromkeys(gathered, self.parameter_shapes["bias"])

    @property
    def batch_normalized(self) -> bool:
        return "batch-norm" in self.then

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for shape in self.parameter_shapes.values())

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
    table, output_name = TABLES[config.network]
    layers: list[Layer] = []
    channels, side = _IMAGE_CHANNELS, config.input_size
    for row in table:
        if isinstance(row, Convolution):
            layer = _convolution(row, channels, side, config, first=not layers)
            side = layer.map_side // 2 if "pool" in row.then else layer.map_side
        else:
            layer = _fully_connected(row, channels * side**2, config)
            side = 1
        layers.append(layer)
        channels = layer.weight_shape[0]
    inputs = config.towers * channels * side**2
    output = Layer(
        output_name,
        (config.num_classes, inputs),
        (),
        towers=1,
        exchange=config.towers > 1,
        reads_own=config.towers == 1,
        starting_bias=0.0,
    )
    return (*layers, output)


def _convolution(row: Convolution, channels: int, side: int, config: ModelConfig, first: bool) -> Layer:
    exchange = row.reads_all_towers and config.exchange
    inputs = channels * config.towers if exchange else channels
    return Layer(
        row.name,
        (row.kernels, inputs, row.kernel_side, row.kernel_side),
        _what_follows(row, config),
        towers=config.towers,
        exchange=exchange,
        reads_own=not (first or exchange),
        starting_bias=row.starting_bias,
        map_side=(side + sum(row.padding) - row.kernel_side) // row.stride + 1,
        stride=row.stride,
        padding=row.padding,
    )


def _what_follows(row: Convolution, config: ModelConfig) -> tuple[FollowUp, ...]:
    if config.norm == "lrn-2012" and row.then_2012 is not None:
        return row.then_2012
    if config.lrn and config.norm != "batch":
        return row.then
    without: tuple[FollowUp, ...] = tuple(step for step in row.then if step != "lrn")
    return ("batch-norm", *without) if config.norm == "batch" else without


def _fully_connected(row: FullyConnected, features: int, config: ModelConfig) -> Layer:
    exchange = config.exchange and config.towers > 1
    return Layer(
        row.name,
        (row.units, features * config.towers if exchange else features),
        row.then,
        towers=config.towers,
        exchange=exchange,
        reads_own=not exchange,
        starting_bias=row.starting_bias,
    )
