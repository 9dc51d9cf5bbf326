"""LARS against its paper's algorithm 1, in NumPy and float64, for whole layers wherever they lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.learning.lars import Lars
from model.learning.optimizer import optimizer_of
from model.learning.rates import Rates
from model.learning.recipe import RecipeConfig
from model.learning.schedule import schedule_of
from model.network.alexnet import AlexNet
from model.network.canonical import canonical_name
from model.network.placement import Placement

Array = NDArray[np.float64]

# To torch, "cpu" and "cpu:0" are different devices.
PLACEMENTS = {
    "together": Placement.one("cpu"),
    "apart": Placement.two("cpu", "cpu"),
    "on two devices": Placement.two("cpu", "cpu:0"),
}
RECIPE = RecipeConfig.preset("large-batch", epochs=10, schedule={"kind": "poly", "warmup_fraction": 0.2})


class PaperLars:
    """Algorithm 1 with η=0.001, momentum 0.9, weight decay 0.0005; the step that is taken off is `taken`."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = {name: weight.copy() for name, weight in weights.items()}
        self.taken = {name: np.zeros_like(weight) for name, weight in weights.items()}

    def step(self, gradients: dict[str, Array], rate: float) -> None:
        for name, gradient in gradients.items():
            weight = self.weights[name]
            weight_norm, gradient_norm = (np.sqrt((values**2).sum()) for values in (weight, gradient))
            local = 1.0
            if weight_norm > 0 and gradient_norm > 0:
                local = 0.001 * weight_norm / (gradient_norm + 0.0005 * weight_norm)
            self.taken[name] = 0.9 * self.taken[name] + rate * local * (gradient + 0.0005 * weight)
            self.weights[name] = weight - self.taken[name]


def arrays(tensors: dict[str, Tensor]) -> dict[str, Array]:
    return {name: tensor.detach().numpy().astype(np.float64) for name, tensor in tensors.items()}


def gradients_of(network: AlexNet) -> dict[str, Tensor]:
    own = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    return network.division.to_canonical(own)


def double_network(placement: Placement, **overrides: object) -> AlexNet:
    config = ModelConfig.preset("alexnet-tiny", num_classes=4, **overrides)
    network = AlexNet(config, placement).double()
    network.load_canonical_parameters(starting_parameters(config, "paper", seed=3))
    return network


def teach(network: AlexNet, views: tuple[Tensor, Tensor], steps: int) -> PaperLars:
    """Takes some steps of the recipe, and the oracle's on the network's own gradients beside them."""
    schedule = schedule_of(RECIPE, total_steps=10)
    optimizer = optimizer_of(RECIPE, network.named_parameters())
    learnt = {canonical_name(name) for name, _ in network.named_parameters()}
    weights = arrays(network.canonical_parameters())
    oracle = PaperLars({name: weights[name] for name in learnt})
    images, labels = views
    for step in range(steps):
        network.zero_grad()
        torch.autograd.backward(F.cross_entropy(network(images.double()), labels))
        rates = schedule.rates(step, step)
        oracle.step(arrays(gradients_of(network)), rates.base)
        optimizer.step(rates)
    velocity = arrays(network.division.to_canonical(optimizer.velocity))
    for name, taken in oracle.taken.items():
        np.testing.assert_allclose(velocity[name], -taken, rtol=1e-10, atol=1e-15)
    return oracle


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS.keys())
def test_steps_follow_the_paper_for_whole_layers_wherever_they_lie(
    placement: Placement, eight_views: tuple[Tensor, Tensor]
) -> None:
    network = double_network(placement)
    before = arrays(network.canonical_parameters())
    oracle = teach(network, eight_views, steps=6)
    for name, weight in arrays(network.canonical_parameters()).items():
        assert (weight != before[name]).any(), name
        np.testing.assert_allclose(weight, oracle.weights[name], rtol=1e-10, atol=1e-15)


def test_towers_apart_and_together_end_at_the_same_place(eight_views: tuple[Tensor, Tensor]) -> None:
    ends = []
    for placement in PLACEMENTS.values():
        network = double_network(placement)
        teach(network, eight_views, steps=4)
        ends.append(network.canonical_parameters())
    for other in ends[1:]:
        for name, weight in ends[0].items():
            torch.testing.assert_close(other[name], weight, rtol=1e-10, atol=1e-12)


def test_the_same_steps_are_the_same_to_the_last_bit(eight_views: tuple[Tensor, Tensor]) -> None:
    images, labels = eight_views
    ends = []
    for _ in range(2):
        network = double_network(Placement.two("cpu", "cpu")).float()
        optimizer = optimizer_of(RECIPE, network.named_parameters())
        for _ in range(3):
            network.zero_grad()
            torch.autograd.backward(F.cross_entropy(network(images), labels))
            optimizer.step(Rates(1.0))
        ends.append(network.canonical_parameters())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_norms_of_millions_of_single_precision_weights_are_exact() -> None:
    # Two blocks of one layer. Summed in single precision, this many squares lose the third digit.
    blocks = {
        f"towers.0.fc6.weights.{block}": nn.Parameter(torch.full((4000, 1000), 0.01)) for block in (0, 1)
    }
    for block in blocks.values():
        block.grad = torch.full_like(block, 0.25)
    optimizer = Lars(blocks.items(), momentum=0.0, weight_decay=0.0005, trust_coefficient=0.001)
    optimizer.step(Rates(10.0))
    local = 0.001 * 0.01 / (0.25 + 0.0005 * 0.01)
    expected = -10 * local * (0.25 + 0.0005 * 0.01)
    for velocity in optimizer.velocity.values():
        torch.testing.assert_close(velocity, torch.full_like(velocity, expected), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 2.0), (3.0, 0.0)])
def test_where_a_norm_is_0_the_rate_is_the_global_one(weight: float, gradient: float) -> None:
    bias = nn.Parameter(torch.full((5,), weight, dtype=torch.float64))
    bias.grad = torch.full_like(bias, gradient)
    Lars([("towers.0.fc8.bias", bias)], 0.9, weight_decay=0.1, trust_coefficient=0.001).step(Rates(0.5))
    expected = weight - 0.5 * (gradient + 0.1 * weight)
    torch.testing.assert_close(bias.detach(), torch.full_like(bias, expected), rtol=1e-14, atol=0)


def test_frozen_layers_and_those_without_a_gradient_stay() -> None:
    weights = {name: nn.Parameter(torch.ones(3)) for name in ("towers.0.conv1.bias", "towers.0.conv2.bias")}
    weights["towers.0.conv1.bias"].grad = torch.ones(3)
    optimizer = Lars(weights.items(), 0.9, 0.0005, 0.001)
    optimizer.step(Rates(1.0))
    after_one = weights["towers.0.conv1.bias"].detach().clone()
    optimizer.step(Rates(1.0, {"conv1": 0.0}))
    assert (after_one != 1).all()
    assert torch.equal(weights["towers.0.conv1.bias"].detach(), after_one)
    assert torch.equal(weights["towers.0.conv2.bias"].detach(), torch.ones(3))


def test_a_network_with_batch_norm_is_taught_layer_by_layer_too(eight_views: tuple[Tensor, Tensor]) -> None:
    network = double_network(Placement.two("cpu", "cpu"), norm="batch")
    oracle = teach(network, eight_views, steps=3)
    found = arrays(network.canonical_parameters())
    for name in ("conv1.norm.weight", "conv5.norm.bias", "fc6.weight"):
        np.testing.assert_allclose(found[name], oracle.weights[name], rtol=1e-10, atol=1e-15)
