"""A server on this machine that speaks S3, and what it has been asked for."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
from moto.server import ThreadedMotoServer

BUCKET = "photos"


class ObjectServer:
    """Holds the bucket `photos`. `environment` leads there."""

    def __init__(self, server: ThreadedMotoServer) -> None:
        host, port = server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._reads: Counter[str] = Counter()
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        served = server._server
        assert served is not None
        # Its log tells of a request after it was answered, when a test may have gone on.
        self._app, served.app = served.app, self._counted
        # What it stores is the process's, and outlives a server.
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.client: Any = boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def object_keys(self) -> list[str]:
        """Of all objects but those that only stand for a folder."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key for key in found if not key.endswith("/")]

    def reads_of(self, key: str) -> int:
        """How often the bytes of an object were asked for."""
        return self._reads[f"/{BUCKET}/{key}"]

    def _counted(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET":
            self._reads[environ["PATH_INFO"]] += 1
        return self._app(environ, start_response)


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield ObjectServer(server)
    finally:
        server.stop()


def without_settings() -> dict[str, str]:
    """This process's environment, less what leads to a Ray, a store or a home."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "AWS_", "TANDEM_"))
    }


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
