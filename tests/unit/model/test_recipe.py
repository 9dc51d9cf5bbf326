"""Recipes are the paper's, its source's, the large batch's and our own for minutes; they differ in what is
listed here, and what makes no sense is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.config import ModelConfig
from model.learning.optimizer_config import LarsConfig, MomentumConfig
from model.learning.recipe import RecipeConfig
from model.learning.schedule_config import (
    EpochsSchedule,
    ExponentialSchedule,
    PlateauSchedule,
    PolySchedule,
)

NAMES = ["paper", "original", "large-batch", "quick"]

PLATEAU = {"kind": "plateau", "patience_epochs": 5, "drops": 3}
PLAIN_RULE = {"kind": "momentum", "bias_rate_factor": 1.0, "decay_biases": True}

# Every point in which a recipe, with the network it stands for, is not the paper's: (the paper's, its own).
DIFFERENCES: dict[str, dict[str, tuple[Any, Any]]] = {
    "original": {
        "epochs": (90, 93),
        "optimizer": (PLAIN_RULE, {"kind": "momentum", "bias_rate_factor": 2.0, "decay_biases": False}),
        "schedule": (
            PLATEAU,
            {
                "kind": "epochs",
                "stages": tuple(
                    {
                        "after_epochs": after,
                        "learning_rate": rate,
                        "layer_learning_rates": layers,
                        "colour_noise": noise,
                    }
                    for after, rate, layers, noise in [
                        (23, 0.001, {}, True),
                        (51, 0.0001, {}, True),
                        (68, 0.0001, {"conv1": 0.00001}, False),
                        (72, 0.0001, {"conv1": 0.0}, False),
                        (78, 0.00001, {"conv1": 0.0}, False),
                    ]
                ),
            },
        ),
        "initialization": ("paper", "original"),
        "colour_noise_divisor": (1.0, 1.1),
        "network.norm": ("lrn", "lrn-2012"),
    },
    "large-batch": {
        "epochs": (90, 100),
        "global_batch_size": (128, 4096),
        "learning_rate": (0.01, 10.0),
        "optimizer": (PLAIN_RULE, {"kind": "lars", "trust_coefficient": 0.001}),
        "schedule": (PLATEAU, {"kind": "poly", "power": 2.0, "warmup_fraction": 0.02}),
    },
    "quick": {
        "epochs": (90, 4),
        "global_batch_size": (128, 64),
        "learning_rate": (0.01, 0.004),
        "schedule": (PLATEAU, {"kind": "poly", "power": 1.0, "warmup_fraction": 0.15}),
        "initialization": ("paper", "fan-in"),
        "colour_noise": (True, False),
    },
}


def points_of(name: str) -> dict[str, Any]:
    """A recipe's fields, and those of the network it stands for."""
    network = ModelConfig.preset("alexnet", num_classes=1000, **RecipeConfig.network_switches(name))
    switches = {f"network.{field}": value for field, value in network.model_dump().items()}
    return RecipeConfig.preset(name).model_dump() | switches


def test_the_papers_recipe_is_the_papers() -> None:
    recipe = RecipeConfig.preset("paper")
    assert (recipe.global_batch_size, recipe.learning_rate, recipe.momentum) == (128, 0.01, 0.9)
    assert (recipe.weight_decay, recipe.epochs, recipe.initialization) == (0.0005, 90, "paper")
    assert recipe.optimizer == MomentumConfig(bias_rate_factor=1.0, decay_biases=True)
    assert isinstance(recipe.schedule, PlateauSchedule)
    assert recipe.schedule.drops == 3
    assert recipe.random_crop
    assert recipe.flip
    assert recipe.colour_noise
    assert recipe.colour_noise_divisor == 1
    assert RecipeConfig.network_switches("paper") == {}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_recipe_differs_from_the_papers_in_the_listed_points_alone(name: str) -> None:
    papers, own = points_of("paper"), points_of(name)
    assert papers.keys() == own.keys()
    found = {point: (papers[point], own[point]) for point in papers if papers[point] != own[point]}
    assert found == DIFFERENCES[name]


@pytest.mark.parametrize("name", NAMES)
def test_recipes_survive_json(name: str) -> None:
    recipe = RecipeConfig.preset(name, max_steps=3)
    assert RecipeConfig.model_validate_json(recipe.model_dump_json()) == recipe
    assert RecipeConfig.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_what_is_done_to_one_recipe_leaves_the_preset_as_it_is(name: str) -> None:
    before = RecipeConfig.preset(name)
    spoilt = RecipeConfig.preset(name)
    with pytest.raises(ValidationError, match="frozen"):
        spoilt.epochs = 1  # type: ignore[misc]
    if isinstance(spoilt.schedule, EpochsSchedule):
        spoilt.schedule.stages[0].layer_learning_rates["conv2"] = 1.0
        assert spoilt != before
    RecipeConfig.network_switches(name)["norm"] = "batch"
    assert RecipeConfig.preset(name) == before
    assert RecipeConfig.network_switches(name) == ({"norm": "lrn-2012"} if name == "original" else {})


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ({"kind": "poly", "power": 2.0}, PolySchedule(power=2.0, warmup_fraction=0.0)),
        (
            {"kind": "exponential", "total_division": 250.0, "drops": 3},
            ExponentialSchedule(total_division=250.0, drops=3),
        ),
        (
            {"kind": "epochs", "stages": [{"after_epochs": 2, "learning_rate": 0.1}]},
            EpochsSchedule.model_validate({"stages": [{"after_epochs": 2, "learning_rate": 0.1}]}),
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_schedule_is_overridden_as_json_writes_it(written: dict[str, Any], schedule: Any) -> None:
    assert RecipeConfig.preset("paper", schedule=written).schedule == schedule


def test_an_update_rule_is_overridden_as_json_writes_it() -> None:
    recipe = RecipeConfig.preset("paper", optimizer={"kind": "lars", "trust_coefficient": 0.02})
    assert recipe.optimizer == LarsConfig(trust_coefficient=0.02)


@pytest.mark.parametrize(
    "overrides",
    [
        {"epochs": 0},
        {"max_steps": 0},
        {"global_batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"initialization": "zeros"},
        {"optimizer": "adam"},
        {"optimizer": {"kind": "adam"}},
        {"optimizer": {"kind": "momentum", "trust_coefficient": 0.001}},
        {"optimizer": {"kind": "lars", "decay_biases": False}},
        {"optimizer": {"kind": "momentum", "bias_rate_factor": 0.0}},
        {"schedule": {"kind": "exponential", "total_division": 1.0}},
        {"schedule": {"kind": "exponential"}},
        {"schedule": {"kind": "epochs", "stages": []}},
        {"schedule": {"kind": "epochs", "stages": [{"after_epochs": 0, "learning_rate": 0.1}]}},
        {"schedule": {"kind": "epochs", "stages": [{"after_epochs": 1, "learning_rate": -0.1}]}},
        {"colour_noise_divisor": 0.0},
        {"label_smoothing": 0.1},
    ],
)
def test_values_out_of_range_are_refused_naming_the_field(overrides: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refusal:
        RecipeConfig.preset("quick", **overrides)
    assert refusal.value.errors()[0]["loc"][0] in overrides


@pytest.mark.parametrize("second", [3, 5])
def test_stages_out_of_order_are_refused_naming_both(second: int) -> None:
    stages = [{"after_epochs": after, "learning_rate": 0.1} for after in (1, 5, second)]
    with pytest.raises(
        ValidationError,
        match=rf"stages\[2\]\.after_epochs={second} does not come after stages\[1\]\.after_epochs=5",
    ):
        RecipeConfig.preset("paper", schedule={"kind": "epochs", "stages": stages})


def test_a_warm_up_belongs_to_the_poly_schedule_alone() -> None:
    with pytest.raises(ValidationError, match="warmup_fraction"):
        RecipeConfig.preset("paper", schedule={"kind": "plateau", "warmup_fraction": 0.1})


def test_an_unknown_recipe_is_refused_with_those_there_are() -> None:
    for ask in (RecipeConfig.preset, RecipeConfig.network_switches):
        with pytest.raises(ValueError, match="'slow' is not one of paper, original, large-batch, quick"):
            ask("slow")


@pytest.mark.parametrize(("max_steps", "expected"), [(None, 40), (7, 7), (500, 40)])
def test_training_ends_with_the_epochs_or_the_steps_whichever_is_sooner(
    max_steps: int | None, expected: int
) -> None:
    assert RecipeConfig.preset("quick", epochs=4, max_steps=max_steps).total_steps(10) == expected


def test_colour_noise_ends_where_the_table_says() -> None:
    original = RecipeConfig.preset("original")
    assert [original.has_colour_noise(epoch) for epoch in (0, 22, 23, 67)] == [True] * 4
    assert [original.has_colour_noise(epoch) for epoch in (68, 72, 78, 92)] == [False] * 4
    assert RecipeConfig.preset("paper").has_colour_noise(89)


def test_a_table_does_not_bring_back_colour_noise_that_the_recipe_is_without() -> None:
    recipe = RecipeConfig.preset("original", colour_noise=False)
    assert not any(recipe.has_colour_noise(epoch) for epoch in range(93))


def test_a_recipe_tells_the_layers_it_has_rates_for() -> None:
    assert RecipeConfig.preset("original").layers_with_own_rate == {"conv1"}
    assert RecipeConfig.preset("paper").layers_with_own_rate == set()
