"""How datasets are made and read. Import-light: the control plane validates with it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SourceType = Literal["auto", "folder", "ilsvrc", "csv", "webdataset", "parquet"]
WriteMode = Literal["jpg", "raw", "proportion"]
ChromaSubsampling = Literal["4:2:0", "4:4:4"]
ExifOrientation = Literal["ignore", "apply"]
Shuffle = Literal["full", "blocks"]
Verify = Literal["samples", "full"]
OnCorrupt = Literal["raise", "skip"]


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


class LoadingConfig(BaseModel):
    """How shards are read while training. Nothing here changes a photo's pixels; `shuffle` changes the
    order."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    shuffle: Shuffle = Field(
        default="full",
        description="of the training split: all photos at once, or blocks of neighbours at a time, for data"
        " larger than memory",
    )
    block_bytes: int = Field(default=16 * 2**20, ge=1, description="shuffle=blocks: read together, in order")
    window_bytes: int = Field(
        default=2**30, ge=1, description="shuffle=blocks: whole blocks shuffled among each other at a time"
    )
    os_cache: bool = Field(
        default=True,
        description="whether shards are mapped and the system decides what stays in memory, or recent pages"
        " are read from disk into this process",
    )
    cache_bytes: int = Field(default=4 * 2**30, ge=1, description="os_cache=false: memory for pages, at most")
    verify: Verify = Field(
        default="samples",
        description="samples: every JPEG against its own checksum; full: raw photos' shards against theirs"
        " too, when they are first touched",
    )
    on_corrupt: OnCorrupt = Field(
        default="raise",
        description="whether a damaged photo ends the loop or is left out, counted and logged",
    )

    @model_validator(mode="after")
    def _window_of_blocks(self) -> Self:
        if self.window_bytes < self.block_bytes:
            raise ValueError(
                f"window_bytes={self.window_bytes} is less than one block of block_bytes={self.block_bytes}"
            )
        return self
