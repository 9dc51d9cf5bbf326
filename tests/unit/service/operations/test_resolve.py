"""A run made complete: what its recipe brings into the network, and what of that cannot be."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from model.published import ColourStatistics, DatasetOrigin, Label, PublishedModel
from service.cluster.jobs import ClusterResources, Node
from service.domain.resolved_run import Allocation, ResolvedRun
from service.domain.spec import ResourcesSpec, RunSpec
from service.errors import FieldProblem, InfeasibleError, InvalidSpecError, NotFoundError
from service.operations.allocation import allocate
from service.operations.resolve import resolve
from service.store.models import ModelStore

CHECKSUM = "0" * 32


def dataset(folder: Path, image_size: int) -> Path:
    """A dataset of ten classes, as far as its manifest."""
    shard = {"file": "train-00000.beton", "num_samples": 9000, "size_bytes": 1, "xxh3_128": CHECKSUM}
    split = {"num_samples": 9000, "shards": [shard]}
    folder.mkdir()
    manifest = {
        "name": "photos",
        "created_at": "2026-01-01T00:00:00Z",
        "image_size": image_size,
        "write_mode": "jpg",
        "jpeg_quality": 90,
        "seed": 0,
        "source": {"type": "folder", "location": "photos", "fingerprint": CHECKSUM},
        "classes": [{"index": index, "id": str(index), "name": str(index)} for index in range(10)],
        "splits": {"train": split, "val": split},
        "statistics": {"xxh3_128": CHECKSUM},
        "quarantined": 0,
        "tool_version": "0",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def resolved(
    tmp_path: Path, model: dict[str, Any], recipe: dict[str, Any], start_from: dict[str, Any] | None = None
) -> ResolvedRun:
    sizes = {"alexnet": 256, "alexnet-tiny": 72, "cifar-4layer": 32}
    spec = RunSpec.model_validate(
        {"dataset": "photos", "model": model, "recipe": recipe, "start_from": start_from}
    )
    folder = dataset(tmp_path / "photos", sizes[model["preset"]])
    cluster = ClusterResources((Node(cpus=2, gpus=0),))
    return resolve("run-1", spec, folder, ModelStore(tmp_path / "models"), lambda: cluster)


def refusal(tmp_path: Path, model: dict[str, Any], recipe: dict[str, Any]) -> FieldProblem:
    with pytest.raises(InvalidSpecError) as refused:
        resolved(tmp_path, model, recipe)
    (problem,) = refused.value.problems
    return problem


@pytest.mark.parametrize(
    ("recipe", "norm"),
    [("paper", "lrn"), ("original", "lrn-2012"), ("large-batch", "lrn"), ("quick", "lrn")],
)
def test_a_recipe_brings_its_network_and_is_recorded_whole(tmp_path: Path, recipe: str, norm: str) -> None:
    run = resolved(tmp_path, {"preset": "alexnet-tiny"}, {"preset": recipe})
    assert run.model.norm == norm
    assert run.recipe == RecipeConfig.preset(recipe)
    recorded = ResolvedRun.model_validate_json(run.model_dump_json())
    assert (recorded.model, recorded.recipe) == (run.model, run.recipe)
    assert json.loads(run.model_dump_json())["recipe"].keys() == RecipeConfig.model_fields.keys()


def test_a_switch_that_was_asked_for_stands_above_the_recipes(tmp_path: Path) -> None:
    run = resolved(tmp_path, {"preset": "alexnet-tiny", "norm": "lrn"}, {"preset": "original"})
    assert run.model.norm == "lrn"
    assert run.recipe == RecipeConfig.preset("original")


def resources(**wanted: Any) -> Allocation:
    cluster = ClusterResources((Node(cpus=2, gpus=2), Node(cpus=2, gpus=0)))
    return allocate(ResourcesSpec.model_validate(wanted), cluster)


def test_an_elastic_run_is_given_what_it_can_use_and_needs_only_its_least() -> None:
    elastic = {"min": 3, "max": 8}
    assert resources(elastic=elastic) == Allocation(
        num_workers=8, min_workers=3, cpus_per_worker=1, gpus_per_worker=0
    )
    # Where the GPUs hold the fewest workers it takes, it is a run on GPUs.
    assert resources(elastic={"min": 1, "max": 8}).gpus_per_worker == 2
    with pytest.raises(InfeasibleError, match=r"5 to 8 worker\(s\) .* room for 4 such"):
        resources(elastic={"min": 5, "max": 8})


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"elastic": {"min": 3, "max": 2}}, "min=3 is more than max=2"),
        ({"elastic": {"min": 1, "max": 2}, "num_workers": 2}, "a number or a range, not both"),
        ({"elastic": {"min": 0, "max": 2}}, "greater than or equal to 1"),
    ],
)
def test_what_is_no_range_of_workers_is_refused(wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ResourcesSpec.model_validate(wanted)


def test_an_elastic_specification_is_read_again_as_it_was_written() -> None:
    spec = RunSpec.model_validate({"dataset": "photos", "resources": {"elastic": {"min": 1, "max": 2}}})
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_recipe_is_overridden_field_by_field(tmp_path: Path) -> None:
    stage = {"after_epochs": 1, "learning_rate": 0.5, "layer_learning_rates": {"conv2": 0.25}}
    overrides = {"epochs": 2, "schedule": {"kind": "epochs", "stages": [stage]}}
    run = resolved(tmp_path, {"preset": "alexnet-tiny"}, {"preset": "original", **overrides})
    assert run.recipe == RecipeConfig.preset("original", **overrides)


def test_a_network_that_a_recipes_switch_does_not_fit_is_told_where_the_switch_comes_from(
    tmp_path: Path,
) -> None:
    problem = refusal(tmp_path, {"preset": "cifar-4layer"}, {"preset": "original"})
    assert problem.field == "model"
    assert "network='cifar-4layer'" in problem.message
    assert problem.message.endswith(
        "(norm='lrn-2012' comes with recipe 'original', and model.norm overrides it)"
    )


@pytest.mark.parametrize(
    ("model", "recipe", "field"),
    [
        ({"preset": "alexnet-tiny", "dropout": 2.0}, "paper", "model.dropout"),
        ({"preset": "cifar-4layer", "norm": "lrn-2012"}, "original", "model"),
    ],
)
def test_what_was_asked_for_is_not_laid_at_the_recipes_door(
    tmp_path: Path, model: dict[str, Any], recipe: str, field: str
) -> None:
    problem = refusal(tmp_path, model, {"preset": recipe})
    assert problem.field == field
    assert "comes with" not in problem.message


def test_an_unknown_recipe_is_refused_with_those_there_are(tmp_path: Path) -> None:
    problem = refusal(tmp_path, {"preset": "alexnet"}, {"preset": "slow"})
    assert problem.field == "recipe.preset"
    assert problem.message.endswith("'slow' is not one of paper, original, large-batch, quick")


def test_stages_out_of_order_are_refused_naming_them(tmp_path: Path) -> None:
    stages = [{"after_epochs": after, "learning_rate": 0.1} for after in (2, 1)]
    problem = refusal(
        tmp_path,
        {"preset": "alexnet"},
        {"preset": "paper", "schedule": {"kind": "epochs", "stages": stages}},
    )
    assert problem.field.startswith("recipe.schedule")
    assert "stages[1].after_epochs=1 does not come after stages[0].after_epochs=2" in problem.message


def test_a_rate_for_a_layer_that_the_network_lacks_is_refused_with_those_it_has(tmp_path: Path) -> None:
    stage = {"after_epochs": 1, "learning_rate": 0.1, "layer_learning_rates": {"conv9": 0.0}}
    schedule = {"kind": "epochs", "stages": [stage]}
    problem = refusal(tmp_path, {"preset": "cifar-4layer"}, {"preset": "paper", "schedule": schedule})
    assert problem.field == "recipe.schedule.stages"
    assert "conv9, and cifar-4layer has conv1, conv2, conv3, fc4" in problem.message


@pytest.mark.parametrize(
    ("overrides", "remedy"),
    [({"precision": "tf32"}, "fp32 or bf16"), ({"execution": "cuda-graph"}, "devices_per_worker=1")],
)
def test_what_needs_gpus_is_refused_where_a_run_gets_none(
    tmp_path: Path, overrides: dict[str, Any], remedy: str
) -> None:
    problem = refusal(tmp_path, {"preset": "alexnet-tiny"}, {"preset": "quick", **overrides})
    assert problem.field == f"recipe.{next(iter(overrides))}"
    assert remedy in problem.message


def published(tmp_path: Path, architecture: ModelConfig) -> None:
    """A first version of the model `birds`, as far as its description."""
    store = ModelStore(tmp_path / "models")
    description = PublishedModel(
        name="birds",
        version=0,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        architecture=architecture,
        image_size=72,
        labels=tuple(
            Label(index=index, id=str(index), name=str(index)) for index in range(architecture.num_classes)
        ),
        statistics=ColourStatistics(
            channel_mean=(0.0,) * 3, pca_eigenvalues=(0.0,) * 3, pca_eigenvectors=((0.0,) * 3,) * 3
        ),
        dataset=DatasetOrigin(name="birds", checksum=CHECKSUM),
        metrics={},
        run_id="run-0",
        step=1,
        weights_sha256="f" * 64,
    )
    with store.candidate() as candidate:
        store.adopt(candidate, description)
    store.set_alias("birds", "production", 1)


@pytest.mark.parametrize("version", [None, 1, "production"])
def test_a_run_may_start_from_a_model_with_other_classes_and_pins_it_down(
    tmp_path: Path, version: int | str | None
) -> None:
    published(tmp_path, ModelConfig.preset("alexnet-tiny", num_classes=3, dropout=0.5))
    run = resolved(
        tmp_path, {"preset": "alexnet-tiny"}, {"preset": "quick"}, {"model": "birds", "version": version}
    )
    assert run.start is not None
    assert (run.start.name, run.start.version, run.start.weights_sha256) == ("birds", 1, "f" * 64)
    assert run.start.path == str(tmp_path / "models" / "birds" / "1")


def test_a_model_of_another_network_is_refused_by_what_differs(tmp_path: Path) -> None:
    published(tmp_path, ModelConfig.preset("alexnet-tiny", num_classes=10, activation="tanh"))
    with pytest.raises(InvalidSpecError) as refused:
        resolved(tmp_path, {"preset": "alexnet-tiny"}, {"preset": "quick"}, {"model": "birds"})
    (problem,) = refused.value.problems
    assert problem.field == "start_from"
    assert "it has activation='tanh'; ask for the same" in problem.message


def test_a_model_or_version_that_is_not_there_is_said(tmp_path: Path) -> None:
    published(tmp_path, ModelConfig.preset("alexnet-tiny", num_classes=10))
    for number, start in enumerate(({"model": "fish"}, {"model": "birds", "version": 2})):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "models").symlink_to(tmp_path / "models")
        with pytest.raises(NotFoundError):
            resolved(tmp_path / str(number), {"preset": "alexnet-tiny"}, {"preset": "quick"}, start)
