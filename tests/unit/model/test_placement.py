"""Placements name devices that are there."""

from __future__ import annotations

import pickle

import pytest
import torch

from model.config import ModelConfig
from model.errors import BadPlacementError
from model.network.alexnet import AlexNet
from model.network.placement import Placement


def test_each_tower_has_its_device_and_one_device_serves_all() -> None:
    meta, cpu = torch.device("meta"), torch.device("cpu")
    two = Placement.two("cpu", "meta")
    assert (two.device_of(0), two.device_of(1)) == (cpu, meta)
    one = Placement.one("cpu")
    assert (one.device_of(0), one.device_of(1)) == (cpu, cpu)


def test_parameters_stand_on_their_towers_device() -> None:
    network = AlexNet(ModelConfig.preset("alexnet-tiny", num_classes=10), Placement.two("cpu", "meta"))
    places = {name: parameter.device.type for name, parameter in network.named_parameters()}
    assert {place for name, place in places.items() if name.startswith("towers.0.")} == {"cpu"}
    assert {place for name, place in places.items() if name.startswith("towers.1.")} == {"meta"}
    assert places["towers.0.fc8.weight"] == "cpu"
    assert "towers.1.fc8.weight" not in places


@pytest.mark.parametrize("name", ["cuda:63", "gpu", "cpu:one"])
def test_absent_devices_are_refused_by_name(name: str) -> None:
    with pytest.raises(BadPlacementError, match=f"no device '{name}' here") as refusal:
        Placement.two("cpu", name)
    assert str(pickle.loads(pickle.dumps(refusal.value))) == str(refusal.value)


def test_more_devices_than_towers_are_refused_naming_both() -> None:
    config = ModelConfig.preset("cifar-4layer", num_classes=10)
    with pytest.raises(ValueError, match=r"placement has 2 devices.*'cifar-4layer' has 1 tower"):
        AlexNet(config, Placement.two("cpu", "cpu"))
