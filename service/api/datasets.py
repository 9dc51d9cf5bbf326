"""Routes of datasets and their preparation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response, status

from pipeline.errors import BadDatasetError
from service.api.dependencies import Datasets, Jobs, Plane, Reconciling
from service.api.document import location, refusals
from service.api.security import require
from service.domain.answers import Dataset as DatasetAnswer
from service.domain.answers import DatasetList, PreparationProgress
from service.domain.names import Name
from service.domain.spec import DatasetSpec
from service.errors import ConflictError, ForbiddenSourceError, InvalidSpecError, NotFoundError
from service.operations.datasets import Dataset
from service.operations.jobs import stop

router = APIRouter(prefix="/datasets", tags=["datasets"])
read = [Depends(require("read"))]
write = [Depends(require("write"))]

DatasetName = Annotated[Name, Path()]


def answer(dataset: Dataset) -> DatasetAnswer:
    """A dataset as clients see it; the manifest is there once the dataset is whole."""
    return DatasetAnswer(
        name=dataset.name,
        state=dataset.state,
        reason=dataset.job.reason if dataset.job else None,
        progress=PreparationProgress.model_validate(dataset.job.progress if dataset.job else {}),
        manifest=dataset.manifest.model_dump(mode="json") if dataset.manifest else None,
    )


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=write,
    responses={
        202: location("the dataset"),
        **refusals(ForbiddenSourceError, ConflictError, InvalidSpecError),
    },
)
def create_dataset(
    spec: DatasetSpec, response: Response, plane: Plane, reconciler: Reconciling
) -> DatasetAnswer:
    """Prepares a dataset as a job. A server with tokens reads sources only under TANDEM_SOURCE_ROOTS."""
    job = plane.datasets.create(spec, confined=plane.tokens.any_exist())
    reconciler.wake()
    response.headers["Location"] = f"/api/v1/datasets/{spec.name}"
    return answer(Dataset(spec.name, job, None))


@router.get("", dependencies=read, responses=refusals(BadDatasetError))
def list_datasets(datasets: Datasets) -> DatasetList:
    return DatasetList(items=[answer(dataset) for dataset in datasets.list()])


@router.get("/{name}", dependencies=read, responses=refusals(NotFoundError, BadDatasetError))
def get_dataset(name: DatasetName, datasets: Datasets) -> DatasetAnswer:
    return answer(datasets.get(name))


@router.post(
    "/{name}/stop",
    dependencies=write,
    responses={
        200: {"description": "the preparation is over already: nothing changes"},
        202: {"model": DatasetAnswer, "description": "the preparation was asked to stop"},
        **refusals(NotFoundError, BadDatasetError),
    },
)
def stop_preparation(
    name: DatasetName, response: Response, datasets: Datasets, jobs: Jobs, reconciler: Reconciling
) -> DatasetAnswer:
    """Stops the preparation of a dataset; asked for again, it goes on with what is finished."""
    dataset = datasets.get(name)
    if dataset.job is None:
        raise NotFoundError(f"dataset {name!r} is whole: there is no preparation to stop")
    _, changed = stop(jobs, dataset.job, "now", grace_seconds=0)
    reconciler.wake()
    response.status_code = status.HTTP_202_ACCEPTED if changed else status.HTTP_200_OK
    return answer(datasets.get(name))


@router.delete(
    "/{name}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=write,
    responses=refusals(NotFoundError, ConflictError, BadDatasetError),
)
def delete_dataset(name: DatasetName, datasets: Datasets) -> None:
    datasets.delete(name)
