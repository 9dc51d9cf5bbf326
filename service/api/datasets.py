"""Routes of datasets and their preparation."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status

from pipeline.errors import BadDatasetError
from pipeline.shards.pictures import CONTACT_SHEET_FILE, MEAN_IMAGE_FILE
from service.api.dependencies import Datasets, Jobs, Plane, Reconciling
from service.api.document import location, refusals
from service.api.json_answer import json_answer
from service.api.picture_answer import DESCRIBED as PICTURE
from service.api.picture_answer import picture_answer
from service.api.security import require
from service.domain.answers import Dataset as DatasetAnswer
from service.domain.answers import DatasetList, PreparationProgress, QuarantinedPhoto, QuarantinePage
from service.domain.names import Name
from service.domain.spec import DatasetSpec
from service.errors import ConflictError, ForbiddenSourceError, InvalidSpecError, NotFoundError
from service.operations.datasets import Dataset
from service.operations.jobs import stop

router = APIRouter(prefix="/datasets", tags=["datasets"])
read = [Depends(require("read"))]
write = [Depends(require("write"))]

DatasetName = Annotated[Name, Path()]

_MOST_PHOTOS: Final = 10**9


def answer(dataset: Dataset) -> DatasetAnswer:
    """A dataset as clients see it; the manifest is there once the dataset is whole."""
    return DatasetAnswer(
        name=dataset.name,
        state=dataset.state,
        reason=dataset.job.reason if dataset.job else None,
        spec=dataset.job.spec if dataset.job else None,
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


@router.get(
    "/{name}/contact-sheet",
    dependencies=read,
    response_class=Response,
    responses={**PICTURE, **refusals(NotFoundError, BadDatasetError)},
)
def contact_sheet(name: DatasetName, request: Request, datasets: Datasets) -> Response:
    """Classes of a dataset, each with some of its training photos, as they are stored."""
    return picture_answer(datasets.picture(name, CONTACT_SHEET_FILE), request)


@router.get(
    "/{name}/mean-image",
    dependencies=read,
    response_class=Response,
    responses={**PICTURE, **refusals(NotFoundError, BadDatasetError)},
)
def mean_image(name: DatasetName, request: Request, datasets: Datasets) -> Response:
    """The mean of a dataset's training photos."""
    return picture_answer(datasets.picture(name, MEAN_IMAGE_FILE), request)


@router.get(
    "/{name}/quarantine",
    dependencies=read,
    response_model=QuarantinePage,
    responses=refusals(NotFoundError, BadDatasetError),
)
def dataset_quarantine(
    name: DatasetName,
    datasets: Datasets,
    after: Annotated[int, Query(ge=0, le=_MOST_PHOTOS, description="a page's `next_after`")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The photos that could not be used, and why.

    Of a dataset that is being prepared, or whose preparation has failed, those found in finished shards.
    """
    found = datasets.quarantine(name, after=after, limit=limit)
    seen = after + len(found.photos)
    return json_answer(
        QuarantinePage(
            items=[
                QuarantinedPhoto(**{field: _text(value) for field, value in photo._asdict().items()})
                for photo in found.photos
            ],
            total=found.total,
            next_after=seen if seen < found.total else None,
        )
    )


def _text(value: str | int) -> str | int:
    # A file's name may hold bytes that are not UTF-8, which JSON has no way to say.
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


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
