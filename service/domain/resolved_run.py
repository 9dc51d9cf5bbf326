"""`run.json`: a run made complete, everything its training job needs to know."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from service.domain.spec import RunSpec


class Allocation(BaseModel):
    """What the cluster gives a run: so many Ray Train workers, each of this size."""

    model_config = ConfigDict(frozen=True)

    num_workers: int
    cpus_per_worker: int
    gpus_per_worker: int


class DatasetPin(BaseModel):
    """The dataset a run trains on, and the checksum it had when the run was made."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str
    checksum: str


class StartPin(BaseModel):
    """The published model whose weights a run starts from, and their checksum when the run was made."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    path: str
    weights_sha256: str


class ResolvedRun(BaseModel):
    model_config = ConfigDict(frozen=True)

    run_id: str
    spec: RunSpec
    model: ModelConfig
    recipe: RecipeConfig
    dataset: DatasetPin
    start: StartPin | None = None
    allocation: Allocation
    versions: dict[str, str]
