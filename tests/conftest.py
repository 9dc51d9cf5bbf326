"""One Ray for all tests that prepare photos in this process, and one stack for those of the whole."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from pipeline.shards.cluster import LOOPBACK_ALONE

# A folder's own fixtures of the same names go before those of the stack.
pytest_plugins = ("shared_stack",)


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """Connects this process to a Ray of two CPUs, which `prepare` then uses."""
    os.environ.update(LOOPBACK_ALONE)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_urlsafe(32))
    # Ray reads its environment when it is imported.
    import ray

    folder = tempfile.mkdtemp(prefix="tandem-tests-")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=80 * 2**20,
        _temp_dir=f"{folder}/r",
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
