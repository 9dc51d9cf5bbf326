"""Indexing: making a published model's training photos searchable."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from service.domain.storage import StorageUrl

INDEX_FOLDER: Final = "neighbours"
"""Of a published version's folder: the index of its training photos."""


class IndexSpec(BaseModel):
    """Which version of which model, and the dataset that it was trained on."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    dataset: str


class IndexOrder(BaseModel):
    """What the job works from: where the version and its dataset are, and the dataset's checksum."""

    model_config = ConfigDict(frozen=True)

    spec: IndexSpec
    model_folder: str
    dataset_folder: str
    dataset_checksum: str
    storage: StorageUrl = None
