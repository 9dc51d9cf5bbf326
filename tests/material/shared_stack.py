"""One real stack (Ray, serving, API) for all tests that ask for it, in a home of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.client import Client
from service.settings import Settings
from service.stack.free_port import free_port
from service.stack.up import Stack, local_stack

CLASSES = ("amber", "blue", "coral", "dark")
PAINTS = {"amber": (230, 160, 20), "blue": (30, 60, 220), "coral": (250, 120, 100), "dark": (25, 25, 30)}


def paint(path: Path, colour: tuple[int, int, int], random: np.random.Generator) -> None:
    """A photo of one colour, as noisy as a bad camera's: a class that is easy to learn and not trivial."""
    height, width = random.integers(80, 140, size=2)
    pixels = np.clip(random.normal(colour, 40, size=(height, width, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=92)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ and val/, four classes, 64 and 16 photos each."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(7)
    for split, count in (("train", 64), ("val", 16)):
        for name in CLASSES:
            for number in range(count):
                paint(root / split / name / f"{number:03}.jpg", PAINTS[name], random)
    return root


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        # Neither the environment's settings nor those of a .env file where the tests were started.
        for name in [name for name in os.environ if name.startswith("TANDEM_")]:
            environment.delenv(name)
        environment.chdir(home)
        with local_stack(Settings(home=home, port=free_port())) as stack:
            yield stack


@pytest.fixture(scope="session")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


@pytest.fixture(scope="session")
def dataset(client: Client, photos: Path) -> str:
    """The painted photos, prepared through REST at the tiny network's size, in several shards."""
    spec = {"name": "paints", "source": {"path": str(photos)}, "image_size": 72, "shard_size": 100}
    client.datasets.create(spec)
    wait_for_dataset(client, "paints")
    return "paints"


def wait_for_dataset(client: Client, name: str) -> None:
    while not (found := client.datasets.get(name)).state.is_terminal:
        time.sleep(0.3)
    assert found.manifest is not None, found.reason
