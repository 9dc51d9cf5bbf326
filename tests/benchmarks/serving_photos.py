"""The photos that are posted to all contenders of `bench_serving.py`, and what should come out of each."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image

CONTENDERS: Final = Path(__file__).parent / "serving_contenders"
PHOTOS: Final = 64

_SIDES: Final = (500, 375)
_QUALITY: Final = 92
_GRAIN: Final = 18.0


def write_photos(source: Path, folder: Path) -> str:
    """Fills a folder with JPEGs of 500×375 or 375×500; says whether they are real ones.

    Those below the class folders of `source`, taken evenly; where these are too few, made-up ones.
    """
    real = [path for path in sorted(source.glob("*/*")) if sides(path) in (_SIDES, _SIDES[::-1])]
    folder.mkdir()
    for number in range(PHOTOS):
        enough = len(real) >= PHOTOS
        photo = real[number * len(real) // PHOTOS].read_bytes() if enough else made_up_photo(number)
        (folder / f"{number:03d}.jpg").write_bytes(photo)
    return "real photos" if len(real) >= PHOTOS else "made-up photos"


def sides(path: Path) -> tuple[int, int] | None:
    """Width and height, of a JPEG."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(path.read_bytes())
    except ValueError:
        return None
    return width, height


def made_up_photo(seed: int) -> bytes:
    """Smooth colours under some grain, of about the bytes that a real photo of this size has."""
    draw = np.random.default_rng(seed)
    colours = Image.fromarray(draw.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    smooth = np.asarray(colours.resize(_SIDES, Image.Resampling.BICUBIC), dtype=np.float32)
    grainy = smooth + draw.normal(0, _GRAIN, smooth.shape)
    file = io.BytesIO()
    Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def write_expected(code: str, model_folder: Path, photos: Path, expected: Path) -> None:
    """The likeliest class of every photo and its probability, by network code that no server is around."""
    sys.path.append(str(CONTENDERS))
    from chosen_classifier import chosen_classifier

    classifier = chosen_classifier(code, str(model_folder))
    likeliest = {}
    for path in sorted(photos.glob("*.jpg")):
        (answer,) = classifier.classify([classifier.decode(path.read_bytes())])
        likeliest[path.name] = [answer["top_k"][0]["index"], answer["top_k"][0]["probability"]]
    expected.write_text(json.dumps(likeliest))
