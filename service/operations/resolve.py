"""A run as it was asked for, made complete: presets filled in, devices chosen, the dataset pinned down."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from pipeline.shards.manifest import Manifest
from service.cluster.jobs import ClusterResources
from service.domain.resolved_run import DatasetPin, ResolvedRun
from service.domain.spec import RunSpec
from service.errors import FieldProblem, InvalidSpecError, NotFoundError
from service.operations.allocation import allocate

RECORDED_VERSIONS = ("tandem", "torch", "ray", "ffcv", "numpy")


def resolve(
    run_id: str, spec: RunSpec, dataset_dir: Path, resources: Callable[[], ClusterResources]
) -> ResolvedRun:
    """Completes a specification against a dataset and a cluster, which is asked last.

    Raises `NotFoundError` for an unknown dataset, `InvalidSpecError` naming each field that cannot be, and
    `InfeasibleError` when the cluster can never hold the workers.
    """
    if not (dataset_dir / "manifest.json").is_file():
        raise NotFoundError(f"no dataset {spec.dataset!r}: prepare it first, or see GET /api/v1/datasets")
    manifest = Manifest.load(dataset_dir)
    model = _from_preset(
        ModelConfig,
        "model",
        spec.model.preset,
        {**spec.model.overrides, "num_classes": len(manifest.classes)},
    )
    recipe = _from_preset(RecipeConfig, "recipe", spec.recipe.preset, spec.recipe.overrides)
    _check_fit(spec, model, recipe, manifest)
    return ResolvedRun(
        run_id=run_id,
        spec=spec,
        model=model,
        recipe=recipe,
        dataset=DatasetPin(name=spec.dataset, path=str(dataset_dir), checksum=manifest.checksum),
        allocation=allocate(spec.resources, resources()),
        versions={name: version(name) for name in RECORDED_VERSIONS},
    )


def _from_preset(kind: Any, field: str, preset: str, overrides: dict[str, Any]) -> Any:
    try:
        return kind.preset(preset, **overrides)
    except ValidationError as error:
        problems = [
            FieldProblem(".".join([field, *map(str, detail["loc"])]), detail["msg"])
            for detail in error.errors()
        ]
        raise InvalidSpecError(problems) from error
    except ValueError as error:
        raise InvalidSpecError([FieldProblem(f"{field}.preset", str(error))]) from error


def _check_fit(spec: RunSpec, model: ModelConfig, recipe: RecipeConfig, manifest: Manifest) -> None:
    problems = []
    if recipe.global_batch_size % spec.resources.num_workers:
        problems.append(
            FieldProblem(
                "recipe.global_batch_size",
                f"global_batch_size={recipe.global_batch_size} is not divisible by"
                f" num_workers={spec.resources.num_workers}",
            )
        )
    # Larger photos would do, but the network would see a small part of each, and learn little from it.
    if manifest.image_size != model.image_size:
        problems.append(
            FieldProblem(
                "model.preset",
                f"{spec.model.preset} takes photos of {model.image_size}x{model.image_size} pixels and"
                f" dataset {spec.dataset!r} stores {manifest.image_size}x{manifest.image_size}:"
                f" prepare it with image_size={model.image_size}",
            )
        )
    if "val" not in manifest.splits:
        problems.append(
            FieldProblem(
                "dataset",
                f"{spec.dataset!r} has no photos to validate on: prepare it with val/,"
                " --val or --val-fraction",
            )
        )
    train = manifest.splits["train"].num_samples
    if train < recipe.global_batch_size:
        problems.append(
            FieldProblem(
                "recipe.global_batch_size",
                f"global_batch_size={recipe.global_batch_size} is more than the {train} training photos"
                f" of dataset {spec.dataset!r}",
            )
        )
    if problems:
        raise InvalidSpecError(problems)
