"""What there is to train and to answer with, and what it is doing."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from service.api.dependencies import Looking
from service.api.security import require
from service.domain.cluster import Cluster

router = APIRouter(prefix="/cluster", tags=["cluster"])


@router.get("", dependencies=[Depends(require("read"))])
def get_cluster(looking: Looking) -> Cluster:
    """Ray's nodes and the runs on them, and the serving replicas and how long each version's answers take.

    What does not answer is null, and its reason says why. All of it is as it was within the last second,
    memory and what is used of CPUs and GPUs as the nodes told some seconds ago.
    """
    return looking.look()
