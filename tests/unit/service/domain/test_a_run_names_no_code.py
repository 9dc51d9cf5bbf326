"""No text in a specification is a name of code: each is an entry of a list, a name, a preset, or a place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from service.domain.spec import DatasetSpec, RunSpec


def free_texts(model: type[BaseModel]) -> set[str]:
    """Dotted paths of the fields of a model that take any text at all, and of objects that take any field."""

    def walk(schema: dict[str, Any], path: str) -> Iterator[str]:
        if "$ref" in schema:
            yield from walk(whole["$defs"][schema["$ref"].rpartition("/")[2]], path)
        for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("prefixItems", ())):
            yield from walk(choice, path)
        if isinstance(items := schema.get("items"), dict):
            yield from walk(items, path)
        if schema.get("type") == "string" and schema.keys().isdisjoint({"enum", "const", "pattern"}):
            yield path
        if schema.get("type") == "object" and schema.get("additionalProperties", True) is not False:
            yield f"{path}.*" if path else "*"
        for name, field in schema.get("properties", {}).items():
            yield from walk(field, f"{path}.{name}".lstrip("."))

    whole = model.model_json_schema()
    return set(walk(whole, ""))


def test_the_only_free_texts_are_presets_and_places() -> None:
    # A preset is looked up among our own; what stands beside it is one of the fields of the two below.
    assert free_texts(RunSpec) == {"model.preset", "model.*", "recipe.preset", "recipe.*"}
    assert free_texts(ModelConfig) == set()
    # Names of layers, compared with those the network has.
    assert free_texts(RecipeConfig) == {"schedule.stages.layer_learning_rates.*"}
    places = {f"{field}.{part}" for field in ("source", "val") for part in ("path", "class_names")}
    assert free_texts(DatasetSpec) == places


CODE = [
    "this.s",
    "os.system",
    "this:s",
    "!!python/object/apply:os.system",
    "__import__('os')",
]


@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_code_is_refused_wherever_it_is_named(server, code: str) -> None:
    server.add_dataset("photos")
    tiny, quick = {"preset": "alexnet-tiny"}, {"preset": "quick"}
    wrong = {
        "model.preset": {"model": {"preset": code}},
        "model._target_": {"model": {**tiny, "_target_": code}},
        "model.activation": {"model": {**tiny, "activation": code}},
        "model.__class__": {"model": {**tiny, "__class__": code}},
        "recipe.preset": {"recipe": {"preset": code}},
        "recipe.optimizer": {"recipe": {**quick, "optimizer": code}},
        "recipe.update_rule": {"recipe": {**quick, "update_rule": code}},
        "recipe.execution": {"recipe": {**quick, "execution": code}},
        "loading.shuffle": {"loading": {"shuffle": code}},
        "resources.accelerator": {"resources": {"accelerator": code}},
        "runtime_env": {"runtime_env": {"py_modules": [code]}},
        "entrypoint": {"entrypoint": code},
        "callbacks": {"callbacks": [code]},
    }
    with httpx.Client(base_url=f"{server.url}/api/v1", timeout=30) as http:
        for field, change in wrong.items():
            spec = {"dataset": "photos", "model": tiny, "recipe": quick, **change}
            refused = http.post("/runs", json=spec)
            assert refused.status_code == 422, field
            assert field in {error["field"] for error in refused.json()["errors"]}, refused.text
    assert "this" not in sys.modules
    assert list(server.settings.runs.iterdir()) == []
