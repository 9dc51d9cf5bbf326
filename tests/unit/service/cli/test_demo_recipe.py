"""How long the demo trains, by the number of its photos."""

from __future__ import annotations

import pytest

from model.learning.recipe import RecipeConfig
from service.cli.demo_training import MOST_EPOCHS, STEPS_WANTED, WORKERS, quick_recipe

QUICK = RecipeConfig.preset("quick")


@pytest.mark.parametrize("photos", [2, 3, 40, 63, 1437, 9469, 1_281_167])
def test_every_number_of_photos_gives_a_recipe_that_can_be_run(photos: int) -> None:
    wanted = quick_recipe(photos)
    recipe = RecipeConfig.preset(wanted.pop("preset"), **wanted)
    assert recipe.global_batch_size % WORKERS == 0
    assert WORKERS <= recipe.global_batch_size <= photos
    assert QUICK.epochs <= recipe.epochs <= MOST_EPOCHS


def test_a_large_dataset_is_trained_by_the_quick_recipe_as_it_is() -> None:
    wanted = quick_recipe(9469)
    assert (
        RecipeConfig.preset("quick", epochs=wanted["epochs"], global_batch_size=wanted["global_batch_size"])
        == QUICK
    )


def test_a_small_dataset_is_seen_more_often() -> None:
    wanted = quick_recipe(1437)
    steps = wanted["epochs"] * (1437 // wanted["global_batch_size"])
    assert steps <= STEPS_WANTED < steps + 1437 // wanted["global_batch_size"]
