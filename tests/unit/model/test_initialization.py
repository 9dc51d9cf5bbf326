"""What parameters start from, measured on the numbers drawn."""

from __future__ import annotations

import math

import pytest
import torch

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.learning.recipe import Initialization
from model.network.alexnet import AlexNet
from model.network.architecture import layers_of
from model.network.placement import Placement


def test_the_papers_start_is_its_section_5() -> None:
    parameters = starting_parameters(ModelConfig.preset("alexnet", num_classes=1000), "paper", seed=0)
    biases = {name.removesuffix(".bias"): value for name, value in parameters.items() if "bias" in name}
    ones = {name for name, value in biases.items() if bool((value == 1).all())}
    zeros = {name for name, value in biases.items() if bool((value == 0).all())}
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert zeros == {"conv1", "conv3", "fc8"}
    for name in biases:
        weight = parameters[f"{name}.weight"]
        assert weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert abs(weight.mean().item()) < 5 * 0.01 / math.sqrt(weight.numel())


def test_the_sources_start_is_the_papers_but_for_three_wider_layers() -> None:
    config = ModelConfig.preset("alexnet", num_classes=1000, norm="lrn-2012")
    papers, original = (starting_parameters(config, name, seed=0) for name in ("paper", "original"))
    assert papers.keys() == original.keys()
    differing = {name for name in papers if not torch.equal(papers[name], original[name])}
    assert differing == {"conv3.weight", "conv4.weight", "conv5.weight"}
    for name in differing:
        assert original[name].std().item() == pytest.approx(0.03, rel=0.01)
        assert abs(original[name].mean().item()) < 5 * 0.03 / math.sqrt(original[name].numel())


@pytest.mark.parametrize("initialization", ["paper", "original", "fan-in"])
def test_batch_normalisation_starts_as_the_identity(initialization: Initialization) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, norm="batch")
    parameters = starting_parameters(config, initialization, seed=0)
    assert {name for name in parameters if "norm" in name} == {
        f"conv{number}.norm.{kind}" for number in range(1, 6) for kind in ("weight", "bias")
    }
    for name, value in parameters.items():
        if "norm" in name:
            assert bool((value == float(name.endswith("weight"))).all())


@pytest.mark.parametrize("name", ["alexnet-tiny", "cifar-4layer"])
def test_the_fan_in_start_scales_with_the_inputs_of_a_unit(name: str) -> None:
    config = ModelConfig.preset(name, num_classes=10)
    parameters = starting_parameters(config, "fan-in", seed=0)
    first, *middle, last = layers_of(config)
    expected = {layer.name: layer.fan_in**-0.5 for layer in middle}
    expected |= {first.name: first.fan_in**-0.5 / 64, last.name: 0.01}
    for layer_name, std in expected.items():
        assert parameters[f"{layer_name}.weight"].std().item() == pytest.approx(std, rel=0.05)
        assert bool((parameters[f"{layer_name}.bias"] == 0).all())


def test_a_seed_decides_every_parameter() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10)
    first, again, other = (starting_parameters(config, "paper", seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_a_network_takes_over_what_it_gives_away() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10)
    parameters = starting_parameters(config, "fan-in", seed=9)
    network = AlexNet(config, Placement.two("cpu", "cpu"))
    network.load_canonical_parameters(parameters)
    returned = network.canonical_parameters()
    assert returned.keys() == parameters.keys()
    assert all(torch.equal(returned[name], parameters[name]) for name in parameters)
