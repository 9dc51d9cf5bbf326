"""What is asked about photos that are alike, and what is answered."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.domain.classification import Timing

MAX_NEIGHBOURS = 100


class SimilarOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    top_k: int = Field(default=6, ge=1, le=MAX_NEIGHBOURS, description="how many training photos to show")


class Thumbnail(BaseModel):
    """A JPEG file, as base64."""

    model_config = ConfigDict(frozen=True)

    b64: str


class SimilarPhoto(BaseModel):
    """A training photo: which, its class, its L2 distance from the photo that was sent, and a look at it."""

    model_config = ConfigDict(frozen=True)

    sample_id: int
    index: int
    id: str
    label: str
    distance: float
    thumbnail: Thumbnail


class Similar(BaseModel):
    """The training photos nearest to one photo, nearest first."""

    model_config = ConfigDict(frozen=True)

    nearest: list[SimilarPhoto]


class SimilarPhotos(BaseModel):
    """Of each photo of one request, in their order, the training photos nearest to it (P figure 4)."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    photos: list[Similar]
    timing_milliseconds: Timing
