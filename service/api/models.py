"""Routes of published models: publishing, listing, and moving their aliases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response, status
from pydantic import BaseModel, ConfigDict, Field

from model.published import PublishedModel
from service.api.dependencies import Indexes, Jobs, Models, Publishing, Reconciling
from service.api.document import location, refusals
from service.api.security import require
from service.domain.answers import IndexProgress, Model, ModelIndex, ModelList, ModelVersion
from service.domain.names import HIGHEST_VERSION, Alias, Name
from service.domain.numbers import WholeNumber
from service.errors import (
    ConflictError,
    NotFoundError,
    ServingUnreachableError,
    UnfitCheckpointError,
)
from service.operations.indexing import ModelIndex as IndexOfModel
from service.store.models import PRODUCTION, ModelStore

router = APIRouter(prefix="/models", tags=["models"])
read = [Depends(require("read"))]
write = [Depends(require("write"))]

ModelName = Annotated[Name, Path()]
AliasName = Annotated[Alias, Path()]
VersionNumber = Annotated[int, Path(ge=1, le=HIGHEST_VERSION)]


class PublishRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    run_id: str = Field(json_schema_extra={"format": "uuid"})
    checkpoint: str | None = Field(default=None, description="its name; by default the newest")
    alias: Alias | None = PRODUCTION


class AliasRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: WholeNumber = Field(ge=1, le=HIGHEST_VERSION)


def version_answer(model: PublishedModel) -> ModelVersion:
    """One version: where it comes from, and how well it did on the validation split."""
    return ModelVersion(
        **model.model_dump(
            include={"name", "version", "created_at", "run_id", "step", "metrics", "weights_sha256"}
        ),
        network=model.architecture.network,
        dataset=model.dataset.name,
    )


def index_answer(found: IndexOfModel) -> ModelIndex:
    return ModelIndex(
        state=found.state,
        reason=found.job.reason if found.job else None,
        progress=IndexProgress.model_validate(found.job.progress if found.job else {}),
    )


def answer(models: ModelStore, name: str) -> Model:
    return Model(
        name=name,
        versions=[version_answer(published) for published in models.read_all(name)],
        aliases={alias: found.version for alias, found in models.aliases(name).items()},
    )


@router.post(
    "/{name}/versions",
    status_code=status.HTTP_201_CREATED,
    dependencies=write,
    responses={
        201: location("the model"),
        **refusals(NotFoundError, ConflictError, UnfitCheckpointError, ServingUnreachableError),
    },
)
def publish(
    name: ModelName, request: PublishRequest, response: Response, jobs: Jobs, models: Publishing
) -> ModelVersion:
    """Copies a checkpoint of a run, the newest unless one is named, checks that it classifies, and shows it.

    The alias moves to the new version: `production` unless another is named, none where it is null.
    """
    job = jobs.get(request.run_id, "run")
    published = models.publish(name, job, checkpoint=request.checkpoint, alias=request.alias)
    response.headers["Location"] = f"/api/v1/models/{name}"
    return version_answer(published)


@router.get("", dependencies=read)
def list_models(models: Models) -> ModelList:
    return ModelList(items=[answer(models, name) for name in models.names()])


@router.get("/{name}", dependencies=read, responses=refusals(NotFoundError))
def get_model(name: ModelName, models: Models) -> Model:
    return answer(models, name)


@router.post(
    "/{name}/versions/{version}/index",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=write,
    responses=refusals(NotFoundError, ConflictError),
)
def build_index(
    name: ModelName, version: VersionNumber, indexes: Indexes, reconciler: Reconciling
) -> ModelIndex:
    """Makes the training photos of a version searchable, as publishing does, where that has failed."""
    found = indexes.begin(name, version)
    reconciler.wake()
    return index_answer(found)


@router.get("/{name}/versions/{version}/index", dependencies=read, responses=refusals(NotFoundError))
def get_index(name: ModelName, version: VersionNumber, indexes: Indexes) -> ModelIndex:
    """How far the index of a version's training photos is."""
    return index_answer(indexes.get(name, version))


@router.delete(
    "/{name}/versions/{version}/index",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=write,
    responses=refusals(NotFoundError),
)
def remove_index(name: ModelName, version: VersionNumber, indexes: Indexes, reconciler: Reconciling) -> None:
    """Removes the index of a version's training photos, or ends its being built."""
    indexes.remove(name, version)
    reconciler.wake()


@router.delete(
    "/{name}/versions/{version}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=write,
    responses=refusals(NotFoundError, ConflictError),
)
def remove_version(name: ModelName, version: VersionNumber, jobs: Jobs, publishing: Publishing) -> None:
    """Removes a version that no alias names; its number is not given again."""
    publishing.remove_version(name, version, jobs.active())


@router.put(
    "/{name}/aliases/{alias}",
    dependencies=write,
    responses=refusals(NotFoundError, UnfitCheckpointError),
)
def set_alias(
    name: ModelName, alias: AliasName, request: AliasRequest, publishing: Publishing, models: Models
) -> Model:
    """Points an alias at a version, loaded by then: a rollback is the alias on an older one."""
    publishing.set_alias(name, alias, request.version)
    return answer(models, name)


@router.delete(
    "/{name}/aliases/{alias}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=write,
    responses=refusals(NotFoundError),
)
def remove_alias(name: ModelName, alias: AliasName, models: Models) -> None:
    models.remove_alias(name, alias)
