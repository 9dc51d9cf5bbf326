"""What a user asks for: a run, or the preparation of a dataset."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.config import LoadingConfig, PrepareConfig, SourceConfig
from service.domain.names import HIGHEST_VERSION, Alias, Name
from service.domain.numbers import WholeNumber
from service.domain.storage import StorageUrl

# PostgreSQL keeps no NUL in a text, and no terminal wants the others.
NO_CONTROL_CHARACTERS: Final = r"^[^\x00-\x1f\x7f]*$"


class Frozen(BaseModel):
    """Strict about its fields and unchangeable: what was asked for stays what was asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Preset(BaseModel):
    """A preset's name and, beside it, whatever fields of the preset should differ."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    preset: str

    @property
    def overrides(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class ModelSpec(Preset):
    preset: str = "alexnet"


class RecipeSpec(Preset):
    preset: str = "paper"


class ElasticSpec(Frozen):
    """As many workers as there is room for: fewer when some are lost, more when there is room again."""

    min: WholeNumber = Field(ge=1, le=1024)
    max: WholeNumber = Field(ge=1, le=1024)

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min={self.min} is more than max={self.max}")
        return self


class ResourcesSpec(Frozen):
    num_workers: WholeNumber = Field(default=1, ge=1, le=1024)
    devices_per_worker: WholeNumber = Field(default=2, ge=1, le=2)
    accelerator: Literal["auto", "gpu", "cpu"] = "auto"
    cpus_per_worker: WholeNumber | None = Field(default=None, ge=1, le=4096, description="1 when not given")
    elastic: ElasticSpec | None = None

    @model_validator(mode="after")
    def _one_number_of_workers(self) -> Self:
        # Written out and read again, a specification has its defaults too.
        if self.elastic is not None and self.num_workers != 1:
            raise ValueError("num_workers and elastic exclude each other: give a number or a range, not both")
        return self

    @property
    def most_workers(self) -> int:
        return self.num_workers if self.elastic is None else self.elastic.max

    @property
    def fewest_workers(self) -> int:
        return self.num_workers if self.elastic is None else self.elastic.min


class CheckpointSpec(Frozen):
    every_steps: WholeNumber = Field(default=500, ge=1, le=10**9)
    keep: WholeNumber = Field(default=3, ge=1, le=10**9)


class PublishSpec(Frozen):
    model: Name
    alias: Alias = "production"


class StartSpec(Frozen):
    """A published model to start from; without a version, the one that is production, or else the newest."""

    model: Name
    version: Annotated[WholeNumber, Field(ge=1, le=HIGHEST_VERSION)] | Name | None = Field(
        default=None, description="a version's number, or an alias"
    )


class RunSpec(Frozen):
    """A training run. Model and recipe are checked against their presets once the dataset is known."""

    name: str | None = Field(
        default=None, max_length=128, pattern=NO_CONTROL_CHARACTERS, description="for people to know it by"
    )
    dataset: Name
    seed: WholeNumber = Field(default=0, ge=0, lt=2**63)
    model: ModelSpec = ModelSpec()
    recipe: RecipeSpec = RecipeSpec()
    loading: LoadingConfig = LoadingConfig()
    resources: ResourcesSpec = ResourcesSpec()
    checkpoint: CheckpointSpec = CheckpointSpec()
    start_from: StartSpec | None = None
    publish: PublishSpec | None = None


class DatasetSpec(PrepareConfig):
    """A dataset to prepare: where its photos are, and how they are to be stored."""

    name: Name
    source: SourceConfig
    val: SourceConfig | None = None

    @model_validator(mode="after")
    def _one_way_to_validate(self) -> Self:
        if self.val is not None and self.val_fraction is not None:
            raise ValueError("val and val_fraction exclude each other: name a source or a share, not both")
        return self

    @property
    def prepare_config(self) -> PrepareConfig:
        return PrepareConfig(**self.model_dump(include=set(PrepareConfig.model_fields)))


class Preparation(Frozen):
    """What a preparation's job is told: the dataset asked for, and the folder it is to become."""

    spec: DatasetSpec
    out: str
    storage: StorageUrl = None
