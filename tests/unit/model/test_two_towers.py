"""The two towers against a plain network written from the paper: grouped convolutions and the textbook's LRN.

Canonical parameters are the plain network's own, so each test also holds the layout they are stored in.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.canonical import to_canonical
from model.network.placement import Placement

Parameters = dict[str, Tensor]


def normalize(maps: Tensor) -> Tensor:
    """P §3.3 for each tower's half of the channels, by itself."""
    halves = [F.local_response_norm(half, 5, alpha=5e-4, beta=0.75, k=2) for half in maps.chunk(2, dim=1)]
    return torch.cat(halves, dim=1)


def pool(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, kernel_size=3, stride=2)


def plain_alexnet(images: Tensor, p: Parameters, stride: int) -> Tensor:
    """P §3.5, as one network: what one tower alone sees is a group of a convolution."""
    padded = F.pad(images, (0, 3, 0, 3))
    maps = F.relu(F.conv2d(padded, p["conv1.weight"], p["conv1.bias"], stride=stride))
    maps = pool(normalize(maps))
    maps = F.relu(F.conv2d(maps, p["conv2.weight"], p["conv2.bias"], padding=2, groups=2))
    maps = pool(normalize(maps))
    maps = F.relu(F.conv2d(maps, p["conv3.weight"], p["conv3.bias"], padding=1))
    maps = F.relu(F.conv2d(maps, p["conv4.weight"], p["conv4.bias"], padding=1, groups=2))
    maps = pool(F.relu(F.conv2d(maps, p["conv5.weight"], p["conv5.bias"], padding=1, groups=2)))
    features = F.relu(F.linear(maps.flatten(1), p["fc6.weight"], p["fc6.bias"]))
    features = F.relu(F.linear(features, p["fc7.weight"], p["fc7.bias"]))
    return F.linear(features, p["fc8.weight"], p["fc8.bias"])


def batch(config: ModelConfig, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    side = config.input_size
    images = torch.rand(count, 3, side, side, generator=generator, dtype=torch.float64) * 255 - 120
    return images, torch.randint(config.num_classes, (count,), generator=generator)


@pytest.mark.parametrize(("name", "stride", "count"), [("alexnet-tiny", 2, 5), ("alexnet", 4, 1)])
def test_logits_loss_and_gradients_equal_the_plain_network(name: str, stride: int, count: int) -> None:
    config = ModelConfig.preset(name, num_classes=10, dropout=0.0)
    parameters = {
        key: value.double().requires_grad_()
        for key, value in starting_parameters(config, "fan-in", 1).items()
    }
    images, labels = batch(config, count)
    expected_logits = plain_alexnet(images, parameters, stride)
    expected_loss = F.cross_entropy(expected_logits, labels)
    expected_gradients = torch.autograd.grad(expected_loss, list(parameters.values()))

    network = AlexNet(config, Placement.two("cpu", "cpu")).double()
    network.load_canonical_parameters(parameters)
    logits = network(images)
    loss = F.cross_entropy(logits, labels)
    torch.autograd.backward(loss)
    own = {key: value.grad for key, value in network.named_parameters() if value.grad is not None}
    gradients = to_canonical(network.layers, own)

    exact = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(logits, expected_logits, **exact)
    torch.testing.assert_close(loss, expected_loss, **exact)
    for key, expected in zip(parameters, expected_gradients, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(gradients[key], expected, **exact)


def test_without_exchange_a_tower_is_blind_to_the_other() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, exchange=False)
    network = AlexNet(config, Placement.one("cpu")).double()
    parameters = starting_parameters(config, "fan-in", 1)
    # The output listens to tower 0 alone: what tower 1 computes must not matter.
    parameters["fc8.weight"][:, 128:] = 0
    network.load_canonical_parameters(parameters)
    images, _ = batch(config, 2)
    before = network(images)
    for parameter in network.towers[1].parameters():
        parameter.data.zero_()
    assert torch.equal(network(images), before)


def test_alexnet_exchanges_what_the_paper_says() -> None:
    network = AlexNet(ModelConfig.preset("alexnet", num_classes=1000), Placement.two("cpu", "cpu"))
    assert network.exchanged_floats_per_image == {}
    with torch.inference_mode():
        network.eval()(torch.zeros(2, 3, 224, 224))
    assert network.exchanged_floats_per_image == {
        "conv3": (21_632, 21_632),
        "fc6": (4_608, 4_608),
        "fc7": (2_048, 2_048),
        "fc8": (2_048, 0),
    }


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [("alexnet-tiny", {"exchange": False}, {"fc8": (128, 0)}), ("cifar-4layer", {}, {})],
)
def test_what_does_not_cross_is_not_counted(
    name: str, overrides: dict[str, object], expected: dict[str, tuple[int, int]]
) -> None:
    config = ModelConfig.preset(name, num_classes=10, **overrides)
    network = AlexNet(config, Placement.one("cpu"))
    network(torch.zeros(1, 3, config.input_size, config.input_size))
    assert network.exchanged_floats_per_image == expected


def test_one_device_and_two_logical_ones_give_the_same_logits() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10)
    one, two = (
        AlexNet(config, placement) for placement in (Placement.one("cpu"), Placement.two("cpu", "cpu"))
    )
    two.load_canonical_parameters(one.canonical_parameters())
    images, _ = batch(config, 4)
    assert torch.equal(one(images.float()), two(images.float()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_towers_on_different_devices_give_the_same_logits() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10)
    one, two = (
        AlexNet(config, placement).double()
        for placement in (Placement.one("cpu"), Placement.two("cpu", "cuda:0"))
    )
    two.load_canonical_parameters(one.canonical_parameters())
    images, _ = batch(config, 4)
    torch.testing.assert_close(one(images), two(images).cpu(), rtol=1e-10, atol=1e-10)
