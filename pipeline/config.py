"""What a dataset should be made of, and how. Import-light: the control plane validates with it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SourceType = Literal["auto", "folder", "ilsvrc", "csv", "webdataset", "parquet"]
WriteMode = Literal["jpg", "raw", "proportion"]
ChromaSubsampling = Literal["4:2:0", "4:4:4"]
ExifOrientation = Literal["ignore", "apply"]


class SourceConfig(BaseModel):
    """Where photos come from. `auto` looks at what lies at `path` and chooses."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    type: SourceType = "auto"
    path: str = Field(min_length=1, description="a path, or an s3:// or gs:// URL")
    class_names: str | None = Field(
        default=None, min_length=1, description="JSON file of class ids and their readable names"
    )


class PrepareConfig(BaseModel):
    """How photos become shards. Everything but `workers` and `max_quarantine` shapes the bytes written."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    image_size: int = Field(default=256, ge=8, le=1024, description="side of the stored squares, in pixels")
    write_mode: WriteMode = Field(
        default="jpg", description="jpg, raw, or a proportion: some photos raw, the others JPEG"
    )
    raw_fraction: float | None = Field(
        default=None, ge=0, le=1, description="share stored raw by write_mode=proportion; 0.5 when not given"
    )
    jpeg_quality: int = Field(default=90, ge=1, le=100)
    chroma_subsampling: ChromaSubsampling = Field(default="4:2:0", description="of the stored JPEGs")
    exif: ExifOrientation = Field(
        default="ignore", description="whether a photo is turned as its EXIF orientation says"
    )
    max_pixels: int = Field(
        default=100_000_000, ge=1, description="a photo of more pixels is not decoded but quarantined"
    )
    shard_size: int = Field(default=2048, ge=1, description="photos in a shard, at most")
    seed: int = Field(default=0, ge=0, lt=2**63)
    workers: int | None = Field(
        default=None, ge=1, description="shards written at a time; by default one per CPU"
    )
    val_fraction: float | None = Field(
        default=None, gt=0, lt=1, description="share of every class set aside for validation"
    )
    max_quarantine: float = Field(
        default=0.01, ge=0, le=1, description="share of unusable photos beyond which preparing fails"
    )

    @model_validator(mode="after")
    def _raw_fraction_of_a_proportion(self) -> Self:
        if self.raw_fraction is not None and self.write_mode != "proportion":
            raise ValueError(
                f"raw_fraction={self.raw_fraction} needs write_mode=proportion, not {self.write_mode}"
            )
        return self
