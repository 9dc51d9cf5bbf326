"""The presets, as the API tells what each stands for."""

from __future__ import annotations

import pytest

from model.config import ModelConfig
from model.learning.presets import PRESETS
from model.learning.recipe import RecipeConfig
from service.client import Client

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_model_is_told_with_every_switch_that_a_run_could_set(client: Client) -> None:
    models = client.presets().models
    assert list(models) == ["alexnet", "alexnet-half", "alexnet-tiny", "alexnet-tiny-half", "cifar-4layer"]
    for name, preset in models.items():
        config = ModelConfig.preset(name, num_classes=10)
        switches = config.model_dump(exclude={"num_classes"})
        told = preset.model_dump()
        assert {field: told.pop(field) for field in switches} == switches
        assert told == {each: getattr(config, each) for each in ("towers", "image_size", "input_size")}


def test_a_recipe_is_told_whole_with_what_it_brings_into_the_network(client: Client) -> None:
    recipes = client.presets().recipes
    assert list(recipes) == list(PRESETS)
    for name, preset in recipes.items():
        assert preset.model_dump(exclude={"model"}) == RecipeConfig.preset(name).model_dump()
    brought = {name: preset.model for name, preset in recipes.items() if preset.model}
    assert brought == {"original": {"norm": "lrn-2012"}}
