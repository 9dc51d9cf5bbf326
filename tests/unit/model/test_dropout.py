"""Dropout: the paper's rule, and chance that depends neither on ranks nor on how towers are computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.network import dropout as dropping
from model.network.alexnet import AlexNet
from model.network.dropout import Dropout, Share, share_batch
from model.network.placement import Placement
from pipeline.batches.order import BatchOrder

Views = tuple[Tensor, Tensor]


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("global_batch_size", [5, 8, 17])
def test_a_share_is_what_the_loader_deals_out(world_size: int, global_batch_size: int) -> None:
    photos = torch.arange(global_batch_size).numpy()
    shares = [Share.of(rank, world_size, global_batch_size) for rank in range(world_size)]
    for rank, share in enumerate(shares):
        order = BatchOrder(
            global_batch_size, global_batch_size, shuffled=True, rank=rank, world_size=world_size
        )
        assert order.batch(photos, 0).tolist() == list(range(share.start, share.stop))
    assert sum(share.images for share in shares) == global_batch_size
    assert sum(share.weight for share in shares) == pytest.approx(world_size)


@pytest.mark.parametrize("devices", [("cpu", "cpu"), ("cpu",)])
@pytest.mark.parametrize("world_size", [2, 3])
def test_a_batch_shared_by_ranks_teaches_what_it_teaches_undivided(
    world_size: int, devices: tuple[str, ...], tiny_config: ModelConfig, eight_views: Views
) -> None:
    assert tiny_config.dropout > 0
    alone = gradients_of(tiny_config, devices, eight_views, Share.of(0, 1, 8))
    shared = [
        gradients_of(tiny_config, devices, eight_views, Share.of(rank, world_size, 8))
        for rank in range(world_size)
    ]
    for name, expected in alone.items():
        averaged = torch.stack([gradients[name] for gradients in shared]).mean(0)
        # In float64 nothing but the order of sums is left to differ.
        torch.testing.assert_close(averaged, expected, rtol=1e-9, atol=1e-12)


def test_units_are_dropped_or_scaled_up_and_kept_in_evaluation() -> None:
    dropout = Dropout(0.5, towers=2)
    dropout.share = Share.of(1, 2, 1000)
    features_NF = torch.ones(500, 8)
    dropped = dropout(features_NF)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert float((dropped == 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert torch.equal(dropout.eval()(features_NF), features_NF)


@pytest.mark.parametrize("towers", [1, 2])
@pytest.mark.parametrize("share", [None, Share.of(1, 3, 16)], ids=["alone", "shared"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_masks_on_the_cpu_are_those_drawn_tower_by_tower(
    towers: int, share: Share | None, dtype: torch.dtype
) -> None:
    images = share.images if share else 16
    features_NF = torch.randn(images, 8, dtype=dtype)
    dropout = Dropout(0.3, towers)
    dropout.share = share
    torch.manual_seed(6)
    dropped = dropout(features_NF.requires_grad_())
    (gradient,) = torch.autograd.grad(dropped.sum(), features_NF)

    torch.manual_seed(6)
    drawn = [torch.empty(16, 8 // towers, dtype=dtype).bernoulli_(0.7) for _ in range(towers)]
    start = share.start if share else 0
    scales = torch.cat(drawn, dim=1)[start : start + images] / 0.7
    assert torch.equal(dropped, features_NF * scales)
    assert torch.equal(gradient, scales)


@pytest.mark.parametrize("towers", [1, 2])
@pytest.mark.parametrize("share", [None, Share.of(1, 3, 16)], ids=["alone", "shared"])
def test_numbers_are_drawn_for_dense_tensors_of_a_tower(
    towers: int, share: Share | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn_for = []

    def draw(values: Tensor, probability: float) -> Tensor:
        drawn_for.append((tuple(values.shape), values.is_contiguous()))
        return draw_really(values, probability)

    draw_really = F.dropout
    monkeypatch.setattr(dropping.F, "dropout", draw)
    dropout = Dropout(0.5, towers)
    dropout.share = share
    images = share.images if share else 16
    dropout(torch.ones(8, images).T)
    assert drawn_for == [((16, 8 // towers), True)] * towers


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_masks_on_a_gpu_depend_neither_on_ranks_nor_on_how_towers_are_computed(dtype: torch.dtype) -> None:
    def masks(towers_held: int, world_size: int) -> Tensor:
        """Of two towers of 2,048 units over 128 images, as so many ranks and parts of a network draw them."""
        whole = []
        for rank in range(world_size):
            share = Share.of(rank, world_size, 128)
            torch.manual_seed(6)
            parts = []
            for _ in range(2 // towers_held):
                dropout = Dropout(0.5, towers_held)
                share_batch(dropout, share)
                parts.append(
                    dropout(torch.ones(share.images, towers_held * 2048, device="cuda", dtype=dtype))
                )
            whole.append(torch.cat(parts, dim=1))
        return torch.cat(whole)

    expected = masks(1, 1)
    assert float((expected[:, :2048] == expected[:, 2048:]).float().mean()) == pytest.approx(0.5, abs=0.01)
    for towers_held, world_size in ((2, 1), (1, 3), (2, 3)):
        assert torch.equal(masks(towers_held, world_size), expected), (towers_held, world_size)


def gradients_of(
    config: ModelConfig, devices: tuple[str, ...], views: Views, share: Share
) -> dict[str, Tensor]:
    """Of what a rank gives to the mean over all ranks."""
    placement = Placement.two(*devices) if len(devices) == 2 else Placement.one(*devices)
    network = AlexNet(config, placement).train().double()
    network.load_canonical_parameters(starting_parameters(config, "fan-in", seed=1))
    share_batch(network, share)
    images, labels = (whole[share.start : share.stop] for whole in views)
    torch.manual_seed(3)
    (F.cross_entropy(network(images.double()), labels) * share.weight).backward()
    return {
        name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None
    }
