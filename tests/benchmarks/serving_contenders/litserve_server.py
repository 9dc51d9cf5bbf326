"""`python litserve_server.py CODE MODEL_FOLDER PORT`: LitServe, batching with its own hooks.

Inference workers as its documentation advises for a CPU, one a core, of one torch thread each; as many HTTP
processes, its default. Batches of 32, so that the workers share 64 clients between them, gathered for 10 ms;
`fast_queue` as advised beyond 100 requests a second. What `decode_request` asks for is the body itself: as an
uploaded file or as base64 in JSON, as its guides have it, the photo would be parsed first.
"""

# No `from __future__ import annotations`: LitServe reads the annotation of decode_request's parameter.
import os
import sys
from typing import Annotated, Any

import litserve
import torch
from chosen_classifier import chosen_classifier
from fastapi import Depends, Request

CODE, FOLDER, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
BATCH_SIZE, BATCH_SECONDS = 32, 0.01
REQUEST_SECONDS = 60


async def read_body(request: Request) -> bytes:
    return await request.body()


class Classify(litserve.LitAPI):
    def setup(self, device: str) -> None:
        torch.set_num_threads(1)
        self._classifier = chosen_classifier(CODE, FOLDER)

    def decode_request(self, request: Annotated[bytes, Depends(read_body)]) -> Any:
        return self._classifier.decode(request)

    def batch(self, inputs: list[Any]) -> list[Any]:
        # The classifier makes one array of them itself.
        return inputs

    def predict(self, inputs: list[Any]) -> list[dict[str, Any]]:
        return self._classifier.classify(inputs)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


# The workers import this file again.
if __name__ == "__main__":
    litserve.LitServer(
        Classify(max_batch_size=BATCH_SIZE, batch_timeout=BATCH_SECONDS, api_path="/classify"),
        accelerator="cpu",
        workers_per_device=os.cpu_count(),
        fast_queue=True,
        timeout=REQUEST_SECONDS,
    ).run(host="127.0.0.1", port=PORT, log_level="warning", generate_client_file=False)
