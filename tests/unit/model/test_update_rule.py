"""The optimiser against P §5's formula, computed by NumPy in float64, across drops of the learning rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from model.learning.optimizer import MomentumDescent, optimizer_of
from model.learning.rates import Rates
from model.learning.recipe import RecipeConfig
from model.learning.schedule import schedule_of

Array = NDArray[np.float64]

RATES = [0.01, 0.01, 0.01, 0.001, 0.001, 0.0001]

SHAPES = {
    "towers.0.conv1.weights.0": (4, 3),
    "towers.0.conv1.bias": (4,),
    "towers.1.conv1.weights.0": (4, 3),
    "towers.1.conv1.bias": (4,),
    "towers.0.fc8.weights.0": (2, 4),
    "towers.0.fc8.bias": (2,),
}


def parameters_of(start: dict[str, Array]) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(torch.from_numpy(value.copy())) for name, value in start.items()}


def test_steps_follow_the_papers_rule_across_learning_rate_drops() -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(3, 4))
    velocity = np.zeros_like(weight)
    parameter = nn.Parameter(torch.from_numpy(weight.copy()))
    optimizer = MomentumDescent([("w", parameter)], momentum=0.9, weight_decay=0.0005)
    for rate in RATES:
        gradient = random.normal(size=weight.shape)
        velocity = 0.9 * velocity - 0.0005 * rate * weight - rate * gradient
        weight = weight + velocity
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step(Rates(rate))
        np.testing.assert_allclose(parameter.detach().numpy(), weight, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(optimizer.velocity["w"].numpy(), velocity, rtol=1e-14, atol=1e-17)


def rate_by_the_table(name: str, epoch: int) -> float:
    """The 2012 source's, read off its notes anew: conv1's own rates, and the biases' factor."""
    if "conv1" in name and epoch >= 68:
        rate = 1e-5 if epoch < 72 else 0.0
    else:
        rate = [1e-2, 1e-3, 1e-4, 1e-5][sum(epoch >= drop for drop in (23, 51, 78))]
    return 2 * rate if name.endswith("bias") else rate


@pytest.mark.parametrize("recipe_name", ["paper", "original"])
def test_a_recipes_steps_follow_its_rule_through_all_its_epochs(recipe_name: str) -> None:
    recipe = RecipeConfig.preset(recipe_name)
    schedule = schedule_of(recipe, recipe.total_steps(1))
    random = np.random.default_rng(1)
    weights = {name: random.normal(size=shape) for name, shape in SHAPES.items()}
    velocities = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    parameters = parameters_of(weights)
    optimizer = optimizer_of(recipe, parameters.items())
    papers_rate = 0.01
    # From the 40th epoch on no error is lower than before, and the plateau's drops begin.
    for epoch in range(recipe.epochs):
        for name, weight in weights.items():
            gradient = random.normal(size=weight.shape)
            parameters[name].grad = torch.from_numpy(gradient)
            if recipe_name == "paper":
                rate, decay = papers_rate, 0.0005
            else:
                rate = rate_by_the_table(name, epoch)
                decay = 0.0 if name.endswith("bias") else 0.0005
            if rate > 0:
                velocities[name] = 0.9 * velocities[name] - decay * rate * weight - rate * gradient
                weights[name] = weight + velocities[name]
        optimizer.step(schedule.rates(epoch, epoch))
        schedule.end_epoch(1 / min(epoch + 2, 40))
        papers_rate = [0.01, 0.001, 0.0001, 0.00001][min((max(epoch, 38) - 38) // 5, 3)]
        for name in SHAPES:
            np.testing.assert_allclose(parameters[name].detach().numpy(), weights[name], rtol=1e-12)
            np.testing.assert_allclose(
                optimizer.velocity[name].numpy(), velocities[name], rtol=1e-9, atol=1e-17
            )


def test_a_layer_with_a_rate_of_0_is_frozen_at_once() -> None:
    start = {name: np.ones(shape) for name, shape in SHAPES.items()}
    parameters = parameters_of(start)
    optimizer = optimizer_of(RecipeConfig.preset("original"), parameters.items())
    for parameter in parameters.values():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(Rates(0.1))
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    velocity = {name: value.clone() for name, value in optimizer.velocity.items()}
    for _ in range(3):
        optimizer.step(Rates(0.1, {"conv1": 0.0}))
    for name, parameter in parameters.items():
        assert torch.equal(parameter.detach(), before[name]) == ("conv1" in name)
        assert torch.equal(optimizer.velocity[name], velocity[name]) == ("conv1" in name)


def test_a_drop_leaves_the_steps_already_taken_at_full_length() -> None:
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = MomentumDescent([("w", parameter)], momentum=0.5, weight_decay=0.0)
    parameter.grad = torch.ones(1, dtype=torch.float64)
    optimizer.step(Rates(1.0))
    parameter.grad = torch.zeros(1, dtype=torch.float64)
    optimizer.step(Rates(0.1))
    # −1, then half of it again; torch.optim.SGD would go on by a tenth of that.
    assert parameter.item() == -1.5


def test_a_parameter_without_a_gradient_stays() -> None:
    parameter = nn.Parameter(torch.ones(2))
    MomentumDescent([("w", parameter)], momentum=0.9, weight_decay=0.1).step(Rates(0.1))
    assert torch.equal(parameter.detach(), torch.ones(2))


def test_rates_for_a_layer_that_is_not_there_are_refused() -> None:
    stage = {"after_epochs": 1, "learning_rate": 0.1, "layer_learning_rates": {"conv9": 0.0, "fc8": 0.0}}
    recipe = RecipeConfig.preset("paper", schedule={"kind": "epochs", "stages": [stage]})
    parameters = parameters_of({name: np.ones(shape) for name, shape in SHAPES.items()})
    with pytest.raises(ValueError, match=r"rates for conv9, and the network's layers are conv1, fc8$"):
        optimizer_of(recipe, parameters.items())
