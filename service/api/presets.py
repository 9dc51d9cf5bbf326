"""The route of the presets that a run is made from."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, Depends

from model.config import ModelConfig, NetworkName
from model.learning.presets import PRESETS
from model.learning.recipe import RecipeConfig
from service.api.security import require
from service.domain.answers import ModelPreset, Presets, RecipePreset

router = APIRouter(prefix="/presets", tags=["runs"], dependencies=[Depends(require("read"))])


@router.get("")
def list_presets() -> Presets:
    """The presets of `model` and `recipe` in a run's specification, and what each field is in them."""
    return Presets(
        models={name: _model(name) for name in get_args(NetworkName)},
        recipes={name: _recipe(name) for name in PRESETS},
    )


def _model(name: str) -> ModelPreset:
    # How many classes there are is the dataset's to say.
    config = ModelConfig.preset(name, num_classes=2)
    sizes = {size: getattr(config, size) for size in ("towers", "image_size", "input_size")}
    return ModelPreset(**config.model_dump(), **sizes)


def _recipe(name: str) -> RecipePreset:
    return RecipePreset(**RecipeConfig.preset(name).model_dump(), model=RecipeConfig.network_switches(name))
