"""What a dataset should be made of, and how. Import-light: the control plane validates with it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

WriteMode = Literal["jpg", "raw", "proportion"]


class SourceConfig(BaseModel):
    """Where photos come from. `auto` looks at what lies at `path` and chooses."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    type: Literal["auto", "folder"] = "auto"
    path: str = Field(min_length=1)


class PrepareConfig(BaseModel):
    """How photos become shards. Everything but `workers` and `max_quarantine` shapes the bytes written."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    image_size: int = Field(default=256, ge=8, le=1024, description="side of the stored squares, in pixels")
    write_mode: WriteMode = Field(
        default="jpg", description="proportion stores half of the photos raw, chosen by the seed"
    )
    jpeg_quality: int = Field(default=90, ge=1, le=100)
    shard_size: int = Field(default=2048, ge=1, description="photos in a shard, at most")
    seed: int = Field(default=0, ge=0, lt=2**63)
    workers: int | None = Field(default=None, ge=1, description="processes; by default one per core")
    val_fraction: float | None = Field(
        default=None, gt=0, lt=1, description="share of every class set aside for validation"
    )
    max_quarantine: float = Field(
        default=0.01, ge=0, le=1, description="share of unusable photos beyond which preparing fails"
    )
