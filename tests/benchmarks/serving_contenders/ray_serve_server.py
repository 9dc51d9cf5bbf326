"""`python ray_serve_server.py CODE MODEL_FOLDER PORT`: Ray Serve, batching with `@serve.batch`.

A Ray of its own; a replica for each core, of one CPU and therefore one torch thread, behind its HTTP proxy.
Batches of 32, so that the replicas share 64 clients between them, gathered for 10 ms, its default. As its
guide to performance advises: `max_ongoing_requests` above what a batch holds (the default is 5), nothing that
blocks in the event loop, which is therefore one for all, no access log (the environment is set outside).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from typing import Any

import ray
import torch
from chosen_classifier import chosen_classifier
from ray import serve
from starlette.requests import Request

BATCH_SIZE, BATCH_SECONDS = 32, 0.01
ONGOING_REQUESTS = 100
OBJECT_STORE_BYTES = 512 * 2**20
LOGGING = {"enable_access_log": False, "log_level": "WARNING"}


@serve.deployment(
    num_replicas=os.cpu_count(),
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=ONGOING_REQUESTS,
    logging_config=LOGGING,
)
class Classify:
    def __init__(self, code: str, folder: str) -> None:
        torch.set_num_threads(1)
        self._classifier = chosen_classifier(code, folder)

    async def __call__(self, request: Request) -> dict[str, Any]:
        return await self.classify(await request.body())

    @serve.batch(max_batch_size=BATCH_SIZE, batch_wait_timeout_s=BATCH_SECONDS)
    async def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._classify, photos)

    def _classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        return self._classifier.classify([self._classifier.decode(photo) for photo in photos])


def main() -> None:
    code, folder, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    ray.init(
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=tempfile.gettempdir(),
        logging_level="warning",
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config=LOGGING)
    serve.run(Classify.bind(code, folder), route_prefix="/classify")
    signal.sigwait({signal.SIGTERM})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    # Threads that Ray starts inherit it: otherwise one of them would be ended in place of this.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
