"""What is asked of a classification, and what it answers."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MAX_PHOTOS: Final = 64
"""In one request."""


class Views(IntEnum):
    """Crops of a photo that are classified: the centre, or corners and centre and their flips (P §4.1)."""

    ONE = 1
    TEN = 10


class ClassifyOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    top_k: int = Field(default=5, ge=1, description="how many classes to name; all of them when it is more")
    views: Views = Field(default=Views.ONE, description="1: the centre crop; 10: ten crops, averaged")


class Likelihood(BaseModel):
    """One class, and the probability in [0, 1] that the photo shows it."""

    model_config = ConfigDict(frozen=True)

    index: int
    id: str
    label: str
    probability: float


class PhotoPrediction(BaseModel):
    """The likeliest classes of one photo, likeliest first."""

    model_config = ConfigDict(frozen=True)

    top_k: list[Likelihood]


class Timing(BaseModel):
    """Where the milliseconds of a request went, from its body read to its answer made."""

    model_config = ConfigDict(frozen=True)

    decode: float
    classify: float
    total: float


class Classification(BaseModel):
    """Predictions for the photos of one request, in their order, by one version of one model."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    predictions: list[PhotoPrediction]
    timing_milliseconds: Timing
