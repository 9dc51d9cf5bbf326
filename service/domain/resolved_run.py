"""`run.json`: a run made complete, everything its training job needs to know."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from service.domain.spec import RunSpec
from service.domain.storage import StorageUrl


class Allocation(BaseModel):
    """What the cluster gives a run: so many Ray Train workers, each of this size.

    An elastic run gets as many of them as there is room for, and at least `min_workers`.
    """

    model_config = ConfigDict(frozen=True)

    num_workers: int
    cpus_per_worker: int
    gpus_per_worker: int
    min_workers: int

    @property
    def is_elastic(self) -> bool:
        return self.min_workers < self.num_workers

    def __str__(self) -> str:
        workers = f"{self.min_workers} to {self.num_workers}" if self.is_elastic else f"{self.num_workers}"
        return f"{workers} worker(s) of {self.cpus_per_worker} CPU(s) and {self.gpus_per_worker} GPU(s) each"


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
    storage: StorageUrl = None
