"""A run as it was asked for, made complete: presets filled in, devices chosen, the dataset pinned down."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from model.network.architecture import layers_of
from pipeline.shards.manifest import Manifest
from service.cluster.jobs import ClusterResources
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun, StartPin
from service.domain.spec import RunSpec, StartSpec
from service.errors import FieldProblem, InvalidSpecError, NotFoundError
from service.operations.allocation import allocate
from service.store.models import ModelStore

RECORDED_VERSIONS = ("tandem", "torch", "ray", "ffcv", "numpy")


def resolve(
    run_id: str,
    spec: RunSpec,
    dataset_dir: Path,
    models: ModelStore,
    resources: Callable[[], ClusterResources],
) -> ResolvedRun:
    """Completes a specification against a dataset, the published models and a cluster, which is asked last.

    The recipe's switches of the network hold where the specification has no others.
    Raises `NotFoundError` for an unknown dataset or model, `InvalidSpecError` naming each field that cannot
    be, and `InfeasibleError` when the cluster can never hold the workers.
    """
    if not (dataset_dir / "manifest.json").is_file():
        raise NotFoundError(f"no dataset {spec.dataset!r}: prepare it first, or see GET /api/v1/datasets")
    manifest = Manifest.load(dataset_dir)
    recipe = _from_preset(RecipeConfig, "recipe", spec.recipe.preset, spec.recipe.overrides)
    model = _model(spec, len(manifest.classes))
    _check_fit(spec, model, recipe, manifest)
    start = None if spec.start_from is None else _start(spec.start_from, model, models)
    allocation = allocate(spec.resources, resources())
    _check_devices(recipe, allocation)
    return ResolvedRun(
        run_id=run_id,
        spec=spec,
        model=model,
        recipe=recipe,
        dataset=DatasetPin(name=spec.dataset, path=str(dataset_dir), checksum=manifest.checksum),
        start=start,
        allocation=allocation,
        versions={name: version(name) for name in RECORDED_VERSIONS},
    )


def _model(spec: RunSpec, num_classes: int) -> ModelConfig:
    wanted = spec.model.overrides
    brought = {
        switch: value
        for switch, value in RecipeConfig.network_switches(spec.recipe.preset).items()
        if switch not in wanted
    }
    try:
        model: ModelConfig = _from_preset(
            ModelConfig, "model", spec.model.preset, {**brought, **wanted, "num_classes": num_classes}
        )
    except InvalidSpecError as error:
        # Who did not write a switch has to be told where it comes from.
        notes = [
            f" ({switch}={value!r} comes with recipe {spec.recipe.preset!r}, and model.{switch} overrides it)"
            for switch, value in brought.items()
        ]
        raise InvalidSpecError(
            [problem._replace(message="".join((problem.message, *notes))) for problem in error.problems]
        ) from error
    return model


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
    if recipe.global_batch_size < spec.resources.most_workers:
        problems.append(
            FieldProblem(
                "recipe.global_batch_size",
                f"global_batch_size={recipe.global_batch_size} leaves nothing to do for some of"
                f" {spec.resources.most_workers} workers",
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
    unknown = recipe.layers_with_own_rate - {layer.name for layer in layers_of(model)}
    if unknown:
        problems.append(
            FieldProblem(
                "recipe.schedule.stages",
                f"layer_learning_rates names {', '.join(sorted(unknown))}, and {spec.model.preset} has"
                f" {', '.join(layer.name for layer in layers_of(model))}",
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


def _start(wanted: StartSpec, model: ModelConfig, models: ModelStore) -> StartPin:
    """Pins a published model down. It may differ from the run's in its classes and its dropout alone."""
    version = models.resolve(wanted.model, wanted.version)
    published = models.read(wanted.model, version)
    theirs, ours = (
        config.model_dump(exclude={"num_classes", "dropout"}) for config in (published.architecture, model)
    )
    if differing := [f"{name}={theirs[name]!r}" for name in ours if ours[name] != theirs[name]]:
        raise InvalidSpecError(
            [
                FieldProblem(
                    "start_from",
                    f"model {wanted.model!r} version {version} is another network: it has"
                    f" {', '.join(differing)}; ask for the same in model",
                )
            ]
        )
    return StartPin(
        name=wanted.model,
        version=version,
        path=str(models.folder(wanted.model, version)),
        weights_sha256=published.weights_sha256,
    )


def _check_devices(recipe: RecipeConfig, allocation: Allocation) -> None:
    problems = []
    if recipe.precision == "tf32" and not allocation.gpus_per_worker:
        problems.append(
            FieldProblem(
                "recipe.precision",
                "precision=tf32 needs GPUs, and the run's workers get none: take fp32 or bf16",
            )
        )
    if recipe.execution == "cuda-graph" and allocation.gpus_per_worker != 1:
        problems.append(
            FieldProblem(
                "recipe.execution",
                "execution=cuda-graph needs both towers on one GPU, and the run's workers get"
                f" {allocation.gpus_per_worker} each: ask for devices_per_worker=1, or take eager or compile",
            )
        )
    if problems:
        raise InvalidSpecError(problems)
