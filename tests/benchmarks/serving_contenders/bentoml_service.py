"""`bentoml serve bentoml_service:Classify --arg code=CODE --arg folder=MODEL_FOLDER`: BentoML's own batching.

A worker process for each core, of one torch thread. Batches of at most 64: each worker gathers its own, of
those clients that have come to it, for as long as the dispatcher finds worth while. `max_latency_ms` is ten
seconds, since requests that would take longer are refused, and 64 clients of two cores wait about one. Photos
come as files of a form, the way its documentation has images. No access log, no metrics, no tracking.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml
import torch
from chosen_classifier import chosen_classifier
from pydantic import BaseModel

BATCH_SIZE, LATENCY_MILLISECONDS = 64, 10_000
REQUEST_SECONDS = 60


class Arguments(BaseModel):
    code: str
    folder: str


arguments = bentoml.use_arguments(Arguments)


@bentoml.service(
    workers="cpu_count",
    traffic={"timeout": REQUEST_SECONDS},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Classify:
    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._classifier = chosen_classifier(arguments.code, arguments.folder)

    @bentoml.api(batchable=True, max_batch_size=BATCH_SIZE, max_latency_ms=LATENCY_MILLISECONDS)
    def classify(self, photos: list[Path]) -> list[dict[str, Any]]:
        return self._classifier.classify([self._classifier.decode(photo.read_bytes()) for photo in photos])
