"""Where a node keeps copies of what is in object storage: read from TANDEM_CACHE… of its own environment."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _node_local() -> Path:
    return Path(tempfile.gettempdir()) / f"tandem-cache-{os.getuid()}"


class CacheSettings(BaseSettings):
    """Each node's own: what is a good place on one may not be there on another."""

    model_config = SettingsConfigDict(env_prefix="TANDEM_", env_file=".env", extra="ignore", frozen=True)

    cache: Path = Field(
        default_factory=_node_local,
        description="a folder on a disk of this node's own, for copies of files in object storage",
    )
    cache_bytes: int | None = Field(
        default=None, gt=0, description="most that the copies may take; by default half of that disk"
    )

    @field_validator("cache")
    @classmethod
    def _from_the_root(cls, cache: Path) -> Path:
        return cache.expanduser().absolute()
