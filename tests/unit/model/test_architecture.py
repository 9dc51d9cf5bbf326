"""The table of layers against the counts worked out from the paper by hand."""

from __future__ import annotations

import pytest
import torch

from model.config import ModelConfig
from model.network.alexnet import AlexNet
from model.network.architecture import layers_of
from model.network.canonical import canonical_shapes
from model.network.placement import Placement

ALEXNET_PARAMETERS = {
    "conv1": 34_944,
    "conv2": 307_456,
    "conv3": 885_120,
    "conv4": 663_936,
    "conv5": 442_624,
    "fc6": 37_752_832,
    "fc7": 16_781_312,
    "fc8": 4_097_000,
}


def test_alexnet_has_the_papers_parameters_layer_by_layer() -> None:
    layers = layers_of(ModelConfig.preset("alexnet", num_classes=1000))
    assert {layer.name: layer.parameters for layer in layers} == ALEXNET_PARAMETERS
    assert sum(ALEXNET_PARAMETERS.values()) == 60_965_224


def test_alexnet_has_the_papers_neurons_and_multiply_adds() -> None:
    layers = layers_of(ModelConfig.preset("alexnet", num_classes=1000))
    assert [layer.neurons for layer in layers] == [
        290_400,
        186_624,
        64_896,
        64_896,
        43_264,
        4_096,
        4_096,
        1_000,
    ]
    assert sum(layer.neurons for layer in layers) == 659_272
    assert round(sum(layer.multiply_adds for layer in layers) / 1e6, 1) == 724.4


def test_the_half_net_has_half_the_kernels_and_all_of_conv5_and_the_connected_layers() -> None:
    layers = layers_of(ModelConfig.preset("alexnet-half", num_classes=1000))
    assert {layer.name: layer.parameters for layer in layers} == {
        "conv1": 17_472,
        "conv2": 153_728,
        "conv3": 221_376,
        "conv4": 331_968,
        "conv5": 442_624,
        "fc6": 37_752_832,
        "fc7": 16_781_312,
        "fc8": 4_097_000,
    }
    assert sum(layer.parameters for layer in layers) == 59_798_312
    assert not any(layer.exchange for layer in layers)


@pytest.mark.parametrize("name", ["alexnet-tiny", "cifar-4layer"])
@pytest.mark.parametrize("pooling", ["overlapping", "disjoint"])
def test_the_network_holds_the_parameters_of_the_table(name: str, pooling: str) -> None:
    config = ModelConfig.preset(name, num_classes=10, pooling=pooling)
    network = AlexNet(config, Placement.one("cpu"))
    held = sum(parameter.numel() for parameter in network.parameters())
    assert held == sum(layer.parameters for layer in layers_of(config))
    stored = {name: tuple(tensor.shape) for name, tensor in network.canonical_parameters().items()}
    assert stored == canonical_shapes(network.layers)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("alexnet-tiny", 371_146), ("alexnet-tiny-half", 293_642), ("cifar-4layer", 89_578)],
)
def test_small_presets_keep_their_size(name: str, expected: int) -> None:
    layers = layers_of(ModelConfig.preset(name, num_classes=10))
    assert sum(layer.parameters for layer in layers) == expected


def test_without_exchange_only_the_output_reads_both_towers() -> None:
    layers = layers_of(ModelConfig.preset("alexnet", num_classes=1000, exchange=False))
    assert [layer.name for layer in layers if layer.exchange] == ["fc8"]
    inputs = {layer.name: layer.weight_shape[1] for layer in layers}
    assert (inputs["conv3"], inputs["fc6"], inputs["fc7"], inputs["fc8"]) == (128, 4_608, 2_048, 4_096)


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"activation": "tanh"}, True),
        ({"lrn": False}, True),
        ({"norm": "lrn-2012"}, True),
        ({"norm": "batch"}, True),
        ({"pooling": "disjoint"}, True),
        ({}, False),
    ],
)
def test_each_switch_changes_the_logits(overrides: dict[str, object], changed: bool) -> None:
    plain = AlexNet(ModelConfig.preset("alexnet-tiny", num_classes=10), Placement.one("cpu"))
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, **overrides)
    switched = AlexNet(config, Placement.one("cpu"))
    switched.load_canonical_parameters(plain.canonical_parameters())
    images_N3SS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 60
    assert bool((plain(images_N3SS) != switched(images_N3SS)).any()) is changed


def test_batch_norm_stands_before_the_activation_of_every_convolution_in_lrns_place() -> None:
    layers = layers_of(ModelConfig.preset("alexnet", num_classes=1000, norm="batch"))
    after = {layer.name: layer.then for layer in layers}
    assert after["conv1"] == after["conv2"] == ("batch-norm", "activation", "pool")
    assert after["conv3"] == after["conv4"] == ("batch-norm", "activation")
    assert after["conv5"] == ("batch-norm", "activation", "pool")
    # A scale and a shift for each of 96 + 256 + 384 + 384 + 256 kernels.
    assert sum(layer.parameters for layer in layers) == 60_965_224 + 2 * 1_376


def test_the_2012_order_is_the_sources() -> None:
    layers = layers_of(ModelConfig.preset("alexnet", num_classes=1000, norm="lrn-2012"))
    after = {layer.name: layer.then for layer in layers}
    assert after["conv1"] == ("lrn", "pool", "activation")
    assert after["conv2"] == ("activation", "lrn", "map-lrn", "pool")
    assert not any("lrn" in layer.then for layer in layers[2:])
