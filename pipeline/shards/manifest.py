"""What a dataset says of itself: manifest.json. Import-light: the control plane reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import xxhash
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.config import ChromaSubsampling, WriteMode
from pipeline.errors import BadDatasetError

MANIFEST_FILE: Final = "manifest.json"

_HEX_128: Final = "^[0-9a-f]{32}$"
_CHECKSUM = Field(pattern=_HEX_128)

# What a JPEG in a shard carries behind its end.
SampleChecksum = Literal["xxh3_64"]
SAMPLE_CHECKSUM: Final[SampleChecksum] = "xxh3_64"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceRecord(_Part):
    """Where the photos came from; the fingerprint covers the path and size of each of them."""

    type: str
    location: str
    fingerprint: str


class DatasetClass(_Part):
    """A class: its label, the id that decides the label's order, and what people call it."""

    index: int = Field(ge=0)
    id: str
    name: str


class Shard(_Part):
    """One .beton file. The file name is relative to the dataset and never leaves it.

    `index_xxh3_128` is what `index_checksum` gives for it; datasets of before have none.
    """

    file: str = Field(pattern=r"^[a-z]+-[0-9]{5,}\.beton$")
    num_samples: int = Field(ge=1)
    size_bytes: int = Field(ge=1)
    xxh3_128: str = _CHECKSUM
    index_xxh3_128: str | None = Field(default=None, pattern=_HEX_128)


class SplitRecord(_Part):
    """A split's shards, and how many photos of each class are in them, by label; datasets of before do not
    say that."""

    num_samples: int = Field(ge=1)
    class_counts: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    shards: tuple[Shard, ...]


class StatisticsRecord(_Part):
    file: Literal["statistics.npz"] = "statistics.npz"
    xxh3_128: str = _CHECKSUM


class Manifest(_Part):
    """The whole of manifest.json. Without a `sample_checksum`, JPEGs carry none: datasets of before."""

    schema_version: Literal[1] = 1
    name: str
    created_at: datetime
    image_size: int = Field(ge=1)
    write_mode: WriteMode
    jpeg_quality: int
    chroma_subsampling: ChromaSubsampling = "4:2:0"
    sample_checksum: SampleChecksum | None = None
    seed: int
    source: SourceRecord
    classes: tuple[DatasetClass, ...]
    splits: Mapping[str, SplitRecord]
    statistics: StatisticsRecord
    quarantined: int = Field(ge=0)
    tool_version: str

    @model_validator(mode="after")
    def _counts_of_the_classes(self) -> Self:
        for name, split in self.splits.items():
            counts = split.class_counts
            if counts is not None and (len(counts), sum(counts)) != (len(self.classes), split.num_samples):
                raise ValueError(
                    f"splits.{name}.class_counts counts {sum(counts)} photos of {len(counts)} classes, where"
                    f" there are {split.num_samples} of {len(self.classes)}"
                )
        return self

    @classmethod
    def load(cls, dataset_dir: Path) -> Self:
        """Reads a dataset's manifest; raises `BadDatasetError` when there is none that makes sense."""
        path = Path(dataset_dir) / MANIFEST_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise BadDatasetError(f"{dataset_dir} is not a dataset: it has no {MANIFEST_FILE}") from error
        except OSError as error:
            raise BadDatasetError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise BadDatasetError(f"{path} is damaged or too new: {place}: {first['msg']}") from error

    @property
    def checksum(self) -> str:
        """xxh3_128, in hex, of all but the timestamp: equal for datasets of equal content and origin."""
        # Without what is None, datasets of before keep the checksum that runs know them by.
        stated = self.model_dump_json(exclude={"created_at"}, exclude_none=True)
        return xxhash.xxh3_128_hexdigest(stated.encode())
