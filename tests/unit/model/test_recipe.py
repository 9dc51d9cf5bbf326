"""Recipes are the paper's and our own for minutes; what makes no sense is refused by name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from model.learning.recipe import PlateauSchedule, PolySchedule, RecipeConfig


def test_the_papers_recipe_is_the_papers() -> None:
    recipe = RecipeConfig.preset("paper")
    assert (recipe.global_batch_size, recipe.learning_rate, recipe.momentum) == (128, 0.01, 0.9)
    assert (recipe.weight_decay, recipe.epochs, recipe.initialization) == (0.0005, 90, "paper")
    assert isinstance(recipe.schedule, PlateauSchedule)
    assert recipe.schedule.drops == 3
    assert recipe.random_crop
    assert recipe.flip
    assert recipe.colour_noise


def test_paper_and_quick_differ_in_the_listed_points_alone() -> None:
    paper, quick = RecipeConfig.preset("paper").model_dump(), RecipeConfig.preset("quick").model_dump()
    assert {field for field in paper if paper[field] != quick[field]} == {
        "epochs",
        "global_batch_size",
        "learning_rate",
        "schedule",
        "initialization",
        "colour_noise",
    }


@pytest.mark.parametrize("name", ["paper", "quick"])
def test_recipes_survive_json(name: str) -> None:
    recipe = RecipeConfig.preset(name, max_steps=3)
    assert RecipeConfig.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_schedule_is_overridden_as_json_writes_it() -> None:
    recipe = RecipeConfig.preset("paper", schedule={"kind": "poly", "power": 2.0})
    assert recipe.schedule == PolySchedule(power=2.0, warmup_fraction=0.0)


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
    ],
)
def test_values_out_of_range_are_refused_naming_the_field(overrides: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refusal:
        RecipeConfig.preset("quick", **overrides)
    assert refusal.value.errors()[0]["loc"][0] in overrides


def test_a_warm_up_belongs_to_the_poly_schedule_alone() -> None:
    with pytest.raises(ValidationError, match="warmup_fraction"):
        RecipeConfig.preset("paper", schedule={"kind": "plateau", "warmup_fraction": 0.1})


def test_an_unknown_recipe_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'slow' is not one of paper, quick"):
        RecipeConfig.preset("slow")


@pytest.mark.parametrize(("max_steps", "expected"), [(None, 40), (7, 7), (500, 40)])
def test_training_ends_with_the_epochs_or_the_steps_whichever_is_sooner(
    max_steps: int | None, expected: int
) -> None:
    assert RecipeConfig.preset("quick", epochs=4, max_steps=max_steps).total_steps(10) == expected
