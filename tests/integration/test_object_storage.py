"""`tandem prepare` from object storage: the bytes made from the same photos here, and an outage."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from pipeline.shards.manifest import Manifest


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 60 photos."""
    root = tmp_path_factory.mktemp("local")
    random = np.random.default_rng(4)
    for number in range(120):
        path = root / ("sand" if number % 2 else "sea") / f"{number:03}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(path)
    return root


@pytest.fixture(scope="module")
def storage(photos: Path) -> Iterator[dict[str, str]]:
    """An S3 server on this machine with the photos in `s3://photos/set`; the environment that leads there."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys)
    client.create_bucket(Bucket="photos")
    for path in photos.glob("*/*"):
        key = f"set/{path.relative_to(photos)}"
        client.put_object(Bucket="photos", Key=key, Body=path.read_bytes())
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server.stop()


def prepare(source: str, out: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with a Ray of its own, whose workers see the environment."""
    tandem = Path(sys.executable).with_name("tandem")
    options = [
        "--out",
        out,
        "--image-size",
        "32",
        "--shard-size",
        "25",
        "--val-fraction",
        "0.2",
        "--name",
        "x",
    ]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "AWS_"))}
    return subprocess.run(
        [tandem, "prepare", source, *options],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_shards_are_those_made_from_the_same_photos_here(
    photos: Path, storage: dict[str, str], tmp_path: Path
) -> None:
    for source, out in ((str(photos), "here"), ("s3://photos/set", "there")):
        done = prepare(source, tmp_path / out, storage)
        assert done.returncode == 0, done.stderr
    here, there = (Manifest.load(tmp_path / out) for out in ("here", "there"))
    assert there.splits == here.splits
    assert there.statistics == here.statistics
    assert there.source.fingerprint == here.source.fingerprint
    assert there.source.location == "s3://photos/set"


def test_storage_that_does_not_answer_is_one_line_and_leaves_nothing(
    storage: dict[str, str], tmp_path: Path
) -> None:
    done = prepare("s3://photos/set", tmp_path / "out", storage | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert done.returncode == 3
    assert "cannot be reached: check the network and AWS_ENDPOINT_URL" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
