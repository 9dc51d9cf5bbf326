"""The optimiser against P §5's formula, computed by NumPy in float64, across drops of the learning rate."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from model.learning.optimizer import MomentumDescent

RATES = [0.01, 0.01, 0.01, 0.001, 0.001, 0.0001]


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
        optimizer.step(rate)
        np.testing.assert_allclose(parameter.detach().numpy(), weight, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(optimizer.velocity["w"].numpy(), velocity, rtol=1e-14, atol=1e-17)


def test_a_drop_leaves_the_steps_already_taken_at_full_length() -> None:
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = MomentumDescent([("w", parameter)], momentum=0.5, weight_decay=0.0)
    parameter.grad = torch.ones(1, dtype=torch.float64)
    optimizer.step(1.0)
    parameter.grad = torch.zeros(1, dtype=torch.float64)
    optimizer.step(0.1)
    # −1, then half of it again; torch.optim.SGD would go on by a tenth of that.
    assert parameter.item() == -1.5


def test_a_parameter_without_a_gradient_stays() -> None:
    parameter = nn.Parameter(torch.ones(2))
    MomentumDescent([("w", parameter)], momentum=0.9, weight_decay=0.1).step(0.1)
    assert torch.equal(parameter.detach(), torch.ones(2))
