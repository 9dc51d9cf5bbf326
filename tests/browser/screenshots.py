"""`make screenshots`: docs/screenshots, of a stack that has learnt from photos of ImageNet, or paints."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from PIL import Image
from shared_stack import wait_for_dataset
from visit import Visit
from whole_course import WholeCourse, run_course

from service.client import Client
from service.stack.up import Stack

SAMPLE: Final = Path(__file__).parents[3] / "shared" / "data" / "imagenet-sample"
SCREENSHOTS: Final = Path(__file__).parents[2] / "docs" / "screenshots"
# WordNet numbers what is alike one after the other; each class of the sample has a single photo.
KINDS: Final = MappingProxyType(
    {
        "birds": (1514668, 1622779),
        "dogs": (2085620, 2113978),
        "insects": (2165105, 2281787),
        "monkeys": (2480495, 2500267),
        "reptiles": (1629819, 1756291),
    }
)
PICTURES: Final = MappingProxyType(
    {
        "runs": "runs",
        "run": "run",
        "datasets": "dataset",
        "classify": "classify",
        "filters": "filters of a run",
        "cluster": "cluster",
    }
)
MOST_BYTES: Final = 200_000


@pytest.fixture(scope="session")
def shown(stack: Stack, client: Client, photos: Path) -> Iterator[WholeCourse]:
    """A course over animals where there are any, and over paints otherwise."""
    # A short path, for one of the pictures shows it.
    with tempfile.TemporaryDirectory(prefix="photos-") as parent:
        folder = animals(Path(parent)) if SAMPLE.is_dir() else photos / "train"
        spec = {"name": folder.name, "source": {"path": str(folder)}, "val_fraction": 0.2, "image_size": 72}
        client.datasets.create(spec)
        wait_for_dataset(client, folder.name)
        photo = next((folder / sorted(path.name for path in folder.iterdir())[1]).iterdir())
        yield run_course(client, stack.url, folder.name, photo, epochs=40)


def animals(parent: Path) -> Path:
    folder = parent / "animals"
    for kind, (first, last) in KINDS.items():
        (folder / kind).mkdir(parents=True)
        for path in sorted(SAMPLE.glob("*/*")):
            if first <= int(path.parent.name[1:]) <= last:
                shutil.copy(path, folder / kind)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PICTURES)
def test_picture(shown: WholeCourse, visit: Callable[..., Visit], name: str, scheme: str) -> None:
    seen = visit(shown.url, color_scheme=scheme, viewport={"width": 1280, "height": 800})
    page = shown.open(seen, PICTURES[name])
    picture = Image.open(io.BytesIO(page.screenshot()))
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}-{scheme}.png"
    picture.convert("RGB").quantize(256).save(path, optimize=True)
    assert path.stat().st_size < MOST_BYTES
