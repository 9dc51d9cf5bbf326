"""What a route's parameters can ask for, by type.

All are coroutines, for FastAPI takes a function that is none to a thread, which costs more than what it does.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.api.feed import Feeds
from service.api.run_answers import RunAnswers
from service.api.state import ControlPlane
from service.cluster.jobs import RayCluster
from service.cluster.serving import ServingClient
from service.operations.cluster import ClusterOperations
from service.operations.datasets import DatasetOperations
from service.operations.indexing import IndexOperations
from service.operations.models import ModelOperations
from service.operations.reconcile import Reconciler
from service.operations.runs import RunOperations
from service.store.jobs import JobStore
from service.store.models import ModelStore


async def control_plane(request: Request) -> ControlPlane:
    plane: ControlPlane = request.app.state.control_plane
    return plane


Plane = Annotated[ControlPlane, Depends(control_plane)]


async def _jobs(plane: Plane) -> JobStore:
    return plane.jobs


async def _runs(plane: Plane) -> RunOperations:
    return plane.runs


async def _answers(plane: Plane) -> RunAnswers:
    return plane.answers


async def _datasets(plane: Plane) -> DatasetOperations:
    return plane.datasets


async def _indexes(plane: Plane) -> IndexOperations:
    return plane.indexes


async def _models(plane: Plane) -> ModelStore:
    return plane.model_store


async def _publishing(plane: Plane) -> ModelOperations:
    return plane.models


async def _cluster(plane: Plane) -> RayCluster:
    return plane.cluster


async def _looking(plane: Plane) -> ClusterOperations:
    return plane.looking


async def _serving(plane: Plane) -> ServingClient:
    return plane.serving


async def _feeds(plane: Plane) -> Feeds:
    return plane.feeds


async def _reconciler(plane: Plane) -> Reconciler:
    return plane.reconciler


Jobs = Annotated[JobStore, Depends(_jobs)]
Runs = Annotated[RunOperations, Depends(_runs)]
Answers = Annotated[RunAnswers, Depends(_answers)]
Datasets = Annotated[DatasetOperations, Depends(_datasets)]
Indexes = Annotated[IndexOperations, Depends(_indexes)]
Models = Annotated[ModelStore, Depends(_models)]
Publishing = Annotated[ModelOperations, Depends(_publishing)]
Cluster = Annotated[RayCluster, Depends(_cluster)]
Looking = Annotated[ClusterOperations, Depends(_looking)]
Serving = Annotated[ServingClient, Depends(_serving)]
Following = Annotated[Feeds, Depends(_feeds)]
Reconciling = Annotated[Reconciler, Depends(_reconciler)]
