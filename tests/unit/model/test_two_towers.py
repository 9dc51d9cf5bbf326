"""The two towers against a plain network written from the paper: grouped convolutions and the textbook's LRN.

Canonical parameters are the plain network's own, so each test also holds the layout they are stored in.
"""

from __future__ import annotations

from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import ModelConfig, NetworkName, Norm
from model.learning.initialize import starting_parameters
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement

Parameters = dict[str, Tensor]


def normalize(maps: Tensor, alpha: float = 5e-4) -> Tensor:
    """P §3.3 for each tower's half of the channels, by itself; torch divides α by n."""
    halves = [F.local_response_norm(half, 5, alpha=alpha, beta=0.75, k=2) for half in maps.chunk(2, dim=1)]
    return torch.cat(halves, dim=1)


def pool(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, kernel_size=3, stride=2)


def follow_conv1(maps: Tensor, norm: str) -> Tensor:
    if norm == "lrn-2012":
        return F.relu(pool(normalize(maps, alpha=1e-4)))
    return pool(normalize(F.relu(maps)))


def follow_conv2(maps: Tensor, norm: str) -> Tensor:
    if norm == "lrn-2012":
        maps = normalize(F.relu(maps), alpha=1e-4)
        sums = F.conv2d(maps.square().flatten(0, 1)[:, None], maps.new_ones(1, 1, 5, 5), padding=2)
        return pool(maps / (1 + 1e-3 / 25 * sums.view_as(maps)) ** 0.75)
    return pool(normalize(F.relu(maps)))


def connect(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Fully connected, to both towers or, where the weight has half the inputs, to a tower's own half."""
    if weight.shape[1] == features.shape[1]:
        return features @ weight.T + bias
    products = [half @ own.T for half, own in zip(features.chunk(2, dim=1), weight.chunk(2), strict=True)]
    return torch.cat(products, dim=1) + bias


def plain_alexnet(images: Tensor, p: Parameters, stride: int, norm: str = "lrn") -> Tensor:
    """P §3.5, as one network: what one tower alone sees is a group of a convolution."""
    padded = F.pad(images, (0, 3, 0, 3))
    maps = follow_conv1(F.conv2d(padded, p["conv1.weight"], p["conv1.bias"], stride=stride), norm)
    maps = follow_conv2(F.conv2d(maps, p["conv2.weight"], p["conv2.bias"], padding=2, groups=2), norm)
    groups = maps.shape[1] // p["conv3.weight"].shape[1]
    maps = F.relu(F.conv2d(maps, p["conv3.weight"], p["conv3.bias"], padding=1, groups=groups))
    maps = F.relu(F.conv2d(maps, p["conv4.weight"], p["conv4.bias"], padding=1, groups=2))
    maps = pool(F.relu(F.conv2d(maps, p["conv5.weight"], p["conv5.bias"], padding=1, groups=2)))
    features = F.relu(connect(maps.flatten(1), p["fc6.weight"], p["fc6.bias"]))
    features = F.relu(connect(features, p["fc7.weight"], p["fc7.bias"]))
    return F.linear(features, p["fc8.weight"], p["fc8.bias"])


def batch(config: ModelConfig, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    side = config.input_size
    images = torch.rand(count, 3, side, side, generator=generator, dtype=torch.float64) * 255 - 120
    return images, torch.randint(config.num_classes, (count,), generator=generator)


def float64_parameters(config: ModelConfig) -> Parameters:
    starting = starting_parameters(config, "fan-in", 1)
    return {key: value.double().requires_grad_() for key, value in starting.items()}


# To torch, "cpu" and "cpu:0" are different devices: the last of these copies what is exchanged.
PLACEMENTS = {
    "together": Placement.one("cpu"),
    "apart": Placement.two("cpu", "cpu"),
    "on two devices": Placement.two("cpu", "cpu:0"),
}
EXACT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS.keys())
@pytest.mark.parametrize(("name", "stride", "count"), [("alexnet-tiny", 2, 5), ("alexnet", 4, 1)])
def test_logits_loss_and_gradients_equal_the_plain_network(
    name: str, stride: int, count: int, placement: Placement
) -> None:
    config = ModelConfig.preset(name, num_classes=10, dropout=0.0)
    parameters = float64_parameters(config)
    images, labels = batch(config, count)
    expected_logits = plain_alexnet(images, parameters, stride)
    expected_loss = F.cross_entropy(expected_logits, labels)
    expected_gradients = torch.autograd.grad(expected_loss, list(parameters.values()))

    network = AlexNet(config, placement).double()
    network.load_canonical_parameters(parameters)
    logits = network(images)
    loss = F.cross_entropy(logits, labels)
    torch.autograd.backward(loss)
    own = {key: value.grad for key, value in network.named_parameters() if value.grad is not None}
    gradients = network.division.to_canonical(own)

    torch.testing.assert_close(logits, expected_logits, **EXACT)
    torch.testing.assert_close(loss, expected_loss, **EXACT)
    for key, expected in zip(parameters, expected_gradients, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(gradients[key], expected, **EXACT)


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS.keys())
@pytest.mark.parametrize("overrides", [{}, {"norm": "lrn-2012"}, {"exchange": False}], ids=str)
def test_twenty_steps_of_the_papers_update_end_where_the_plain_network_does(
    overrides: dict[str, object], placement: Placement
) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, **overrides)
    images, labels = batch(config, 8)
    recipe = RecipeConfig.preset("paper")

    plain = float64_parameters(config)
    velocity = {key: torch.zeros_like(value) for key, value in plain.items()}
    expected_losses = []
    for _ in range(20):
        loss = F.cross_entropy(plain_alexnet(images, plain, 2, config.norm), labels)
        gradients = torch.autograd.grad(loss, list(plain.values()))
        expected_losses.append(loss.item())
        with torch.no_grad():
            for (key, weight), gradient in zip(plain.items(), gradients, strict=True):
                velocity[key] = 0.9 * velocity[key] - 0.0005 * 0.01 * weight - 0.01 * gradient
                weight += velocity[key]

    network = AlexNet(config, placement).double()
    network.load_canonical_parameters(starting_parameters(config, "fan-in", 1))
    trainer = Trainer(network, recipe, steps_per_epoch=100)
    losses = [report.loss for report in trainer.train_epoch([(images, labels)] * 20)]

    assert max(expected_losses) - min(expected_losses) > 0.5
    assert losses == pytest.approx(expected_losses, rel=1e-10, abs=1e-10)
    for key, value in network.canonical_parameters().items():
        torch.testing.assert_close(value, plain[key].detach(), **EXACT)
    for key, value in network.division.to_canonical(trainer.state_dict()["velocity"]).items():
        torch.testing.assert_close(value, velocity[key], **EXACT)


@pytest.mark.parametrize("overrides", [{}, {"norm": "batch"}, {"exchange": False}], ids=str)
def test_parameters_go_from_one_placement_to_any_other_and_back_unchanged(
    overrides: dict[str, object],
) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, **overrides)
    apart = AlexNet(config, Placement.two("cpu", "cpu"))
    apart.train()(torch.randn(4, 3, 64, 64))
    together = AlexNet(config, Placement.one("cpu"))
    together.load_canonical_parameters(apart.canonical_parameters())
    returned = AlexNet(config, Placement.two("cpu", "cpu"))
    returned.load_canonical_parameters(together.canonical_parameters())
    for key, value in apart.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(returned.state_dict()[key], value), key


def test_dropout_is_the_same_for_towers_together_and_apart() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, dropout=0.5)
    images, _ = batch(config, 4)
    logits = []
    for placement in PLACEMENTS.values():
        network = AlexNet(config, placement).double().train()
        network.load_canonical_parameters(starting_parameters(config, "fan-in", 1))
        torch.manual_seed(8)
        logits.append(network(images))
    torch.testing.assert_close(logits[1], logits[0], **EXACT)
    torch.testing.assert_close(logits[2], logits[0], **EXACT)


def test_batch_norm_is_the_same_for_towers_together_and_apart() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, norm="batch")
    images, labels = batch(config, 6)
    ends = []
    for placement in PLACEMENTS.values():
        network = AlexNet(config, placement).double()
        network.load_canonical_parameters(starting_parameters(config, "fan-in", 1))
        trainer = Trainer(network, RecipeConfig.preset("paper"), steps_per_epoch=100)
        list(trainer.train_epoch([(images, labels)] * 3))
        ends.append(network.canonical_parameters())
    assert (ends[0]["conv5.norm.running_mean"] != 0).all()
    for other in ends[1:]:
        for key, value in ends[0].items():
            torch.testing.assert_close(other[key], value, **EXACT)


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS.keys())
def test_the_embedding_is_what_the_output_layer_reads(placement: Placement) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10)
    network = AlexNet(config, placement).double().eval()
    images, _ = batch(config, 3)
    embedding = network.embedding(images)
    assert embedding.shape == (3, 256)
    parameters = network.canonical_parameters()
    logits = embedding @ parameters["fc8.weight"].T + parameters["fc8.bias"]
    torch.testing.assert_close(logits, network(images), **EXACT)


def test_without_exchange_a_tower_is_blind_to_the_other() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, exchange=False)
    network = AlexNet(config, Placement.two("cpu", "cpu")).double()
    parameters = starting_parameters(config, "fan-in", 1)
    # The output listens to tower 0 alone: what tower 1 computes must not matter.
    parameters["fc8.weight"][:, 128:] = 0
    network.load_canonical_parameters(parameters)
    images, _ = batch(config, 2)
    before = network(images)
    for parameter in network.towers[1].parameters():
        parameter.data.zero_()
    assert torch.equal(network(images), before)


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS.keys())
def test_alexnet_exchanges_what_the_paper_says(placement: Placement) -> None:
    network = AlexNet(ModelConfig.preset("alexnet", num_classes=1000), placement)
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


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        *((name, {}) for name in get_args(NetworkName)),
        *(("alexnet-tiny", {"norm": norm}) for norm in get_args(Norm)),
    ],
    ids=str,
)
def test_no_photos_have_no_logits(name: str, overrides: dict[str, object]) -> None:
    config = ModelConfig.preset(name, num_classes=10, **overrides)
    image = torch.zeros(1, 3, config.input_size, config.input_size)
    for placement in (Placement.one("cpu"), Placement.two("cpu", "cpu"))[: config.towers]:
        network = AlexNet(config, placement).eval()
        with torch.inference_mode():
            network(image)
            counted = network.exchanged_floats_per_image
            assert network(image[:0]).shape == (0, 10)
        assert network.exchanged_floats_per_image == counted


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
