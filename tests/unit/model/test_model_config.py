"""Presets hold what the paper chose; combinations that mean nothing are refused with both fields named."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from model.config import ModelConfig


@pytest.mark.parametrize(
    ("name", "towers", "image_size", "input_size", "dropout"),
    [
        ("alexnet", 2, 256, 224, 0.5),
        ("alexnet-half", 1, 256, 224, 0.5),
        ("alexnet-tiny", 2, 72, 64, 0.0),
        ("cifar-4layer", 1, 32, 32, 0.0),
    ],
)
def test_presets_hold_their_sizes(
    name: str, towers: int, image_size: int, input_size: int, dropout: float
) -> None:
    config = ModelConfig.preset(name, num_classes=10)
    assert (config.towers, config.image_size, config.input_size) == (towers, image_size, input_size)
    assert config.dropout == dropout
    assert (config.activation, config.lrn, config.pooling, config.exchange) == (
        "relu",
        True,
        "overlapping",
        True,
    )


def test_overrides_replace_what_the_preset_chose() -> None:
    config = ModelConfig.preset("alexnet", num_classes=7, activation="tanh", lrn=False, dropout=0.0)
    assert (config.num_classes, config.activation, config.lrn, config.dropout) == (7, "tanh", False, 0.0)


def test_configs_survive_json() -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=10, pooling="disjoint", exchange=False)
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("name", "overrides", "named"),
    [
        ("cifar-4layer", {"exchange": False}, ["exchange=False", "network='cifar-4layer'"]),
        ("cifar-4layer", {"dropout": 0.5}, ["dropout=0.5", "network='cifar-4layer'"]),
        ("cifar-4layer", {"norm": "lrn-2012"}, ["norm='lrn-2012'", "network='cifar-4layer'"]),
        ("alexnet", {"norm": "batch", "lrn": False}, ["norm='batch'", "lrn=False"]),
        ("alexnet", {"network": "alexnet-tiny"}, ["network", "preset='alexnet'"]),
        ("resnet", {}, ["'resnet'", "alexnet-tiny"]),
    ],
)
def test_nonsense_is_refused_naming_both_fields(
    name: str, overrides: dict[str, object], named: list[str]
) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        ModelConfig.preset(name, num_classes=10, **overrides)
    for words in named:
        assert words in str(refusal.value)


@pytest.mark.parametrize(
    "overrides",
    [
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"activation": "gelu"},
        {"lrn": "yes"},
        {"norm": "group"},
        {"layers": 9},
    ],
)
def test_values_out_of_range_are_refused_naming_the_field(overrides: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refusal:
        ModelConfig.preset("alexnet", num_classes=10, **overrides)
    assert refusal.value.errors()[0]["loc"] == tuple(overrides)


def test_one_class_is_no_classification() -> None:
    with pytest.raises(ValidationError, match="num_classes"):
        ModelConfig.preset("alexnet", num_classes=1)


def test_configs_are_frozen() -> None:
    config = ModelConfig.preset("alexnet", num_classes=10)
    with pytest.raises(ValidationError, match="frozen"):
        config.num_classes = 11  # type: ignore[misc]
