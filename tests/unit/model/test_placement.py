"""Placements name devices that are there."""

from __future__ import annotations

import pickle

import pytest
import torch

from model.config import ModelConfig
from model.errors import BadPlacementError
from model.network import fastest_placement as trial
from model.network.alexnet import AlexNet
from model.network.fastest_placement import fastest_placement
from model.network.placement import Placement


def test_each_tower_has_its_device_and_one_device_serves_all() -> None:
    meta, cpu = torch.device("meta"), torch.device("cpu")
    two = Placement.two("cpu", "meta")
    assert (two.devices, two.parts(2)) == ((cpu, meta), ((0,), (1,)))
    one = Placement.one("cpu")
    assert (one.devices, one.parts(2)) == ((cpu,), ((0, 1),))


def test_parameters_stand_on_their_towers_device() -> None:
    network = AlexNet(ModelConfig.preset("alexnet-tiny", num_classes=10), Placement.two("cpu", "meta"))
    places = {name: parameter.device.type for name, parameter in network.named_parameters()}
    assert {place for name, place in places.items() if name.startswith("towers.0.")} == {"cpu"}
    assert {place for name, place in places.items() if name.startswith("towers.1.")} == {"meta"}
    assert places["towers.0.fc8.bias"] == "cpu"
    assert "towers.1.fc8.bias" not in places


@pytest.mark.parametrize("name", ["cuda:63", "gpu", "cpu:one"])
def test_absent_devices_are_refused_by_name(name: str) -> None:
    with pytest.raises(BadPlacementError, match=f"no device '{name}' here") as refusal:
        Placement.two("cpu", name)
    assert str(pickle.loads(pickle.dumps(refusal.value))) == str(refusal.value)


def test_more_devices_than_towers_are_refused_naming_both() -> None:
    config = ModelConfig.preset("cifar-4layer", num_classes=10)
    with pytest.raises(ValueError, match=r"placement has 2 devices.*'cifar-4layer' has 1 tower"):
        AlexNet(config, Placement.two("cpu", "cpu"))


@pytest.mark.parametrize("second", ["meta", "cpu"])
def test_towers_on_different_devices_and_on_a_cpu_stay_where_they_are(second: str) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10)
    placement = Placement.two("cpu", second)
    assert fastest_placement(config, placement, 2) is placement


def test_towers_on_one_device_are_tried_and_chance_is_left_alone() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, dropout=0.5)
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    chosen = fastest_placement(config, Placement.two("meta", "meta"), 2)
    assert set(chosen.devices) == {torch.device("meta")}
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("apart_seconds", "devices"), [(0.85, 2), (0.95, 1), (1.5, 1)])
def test_towers_are_computed_apart_only_where_that_is_clearly_faster(
    apart_seconds: float, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock(network: AlexNet, images_N3SS: torch.Tensor) -> float:
        return apart_seconds if len(network.placement.devices) == 2 else 1.0

    monkeypatch.setattr(trial, "_seconds_for_a_step", clock)
    config = ModelConfig.preset("alexnet-tiny", num_classes=10)
    assert len(fastest_placement(config, Placement.two("meta", "meta"), 2).devices) == devices
