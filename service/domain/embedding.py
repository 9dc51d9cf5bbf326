"""What photos are to a network: the activations that its output layer reads."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from service.domain.classification import Timing


class EmbeddedPhotos(BaseModel):
    """Embeddings of the photos of one request, in their order, by one version of one model.

    Each is of as many numbers as the output layer reads: fc7's 4,096 in `alexnet`. Their L2 distance says how
    much alike the photos are to the network (P §6).
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    embeddings: list[list[float]]
    timing_milliseconds: Timing
