"""Where the demo's photos come from, with Imagenette's host played by a server on loopback."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.config import SourceConfig
from pipeline.errors import BadSourceError
from pipeline.photos.sources.detect import open_source
from pipeline.shards.splits import choose_splits
from service.cli.demo_photos import SEED, digits, find_photos, held_out, own_photos
from service.cli.imagenette import IMAGENETTE, Archive

CLASSES = ("n01", "n02", "n03", "n04")


def jpeg(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 16), (value, value, value)).save(file, "JPEG")
    return file.getvalue()


def write_classes(folder: Path, photos: int = 3) -> None:
    for class_id in CLASSES:
        (folder / class_id).mkdir(parents=True)
        for number in range(photos):
            (folder / class_id / f"{number}.JPEG").write_bytes(jpeg(number))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Archive]:
    """A host that has a small archive of Imagenette's form."""
    served = tmp_path / "served"
    write_classes(served / "imagenette2-160" / "train")
    write_classes(served / "imagenette2-160" / "val")
    file = served / "imagenette2-160.tgz"
    with tarfile.open(file, "w:gz") as tar:
        tar.add(served / "imagenette2-160", "imagenette2-160")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=served)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        md5 = hashlib.md5(file.read_bytes()).hexdigest()
        yield Archive(f"http://127.0.0.1:{server.server_port}/{file.name}", md5, {"n01": "tench"})
        server.shutdown()
        thread.join()


def test_imagenette_is_downloaded_once_and_its_classes_get_their_names(host: Archive, tmp_path: Path) -> None:
    said: list[str] = []
    photos = find_photos(None, tmp_path / "cache", said.append, host)
    again = find_photos(None, tmp_path / "cache", said.append, host)
    assert photos == again
    assert said == [f"downloading {host.url}"]
    assert photos.val_fraction is None
    assert json.loads((photos.folder / "classes.json").read_text()) == {"n01": "tench"}
    assert [photo.label for photo in held_out(photos, 3)] == ["tench", "n02", "n03"]


def test_an_archive_in_the_cache_needs_no_host(host: Archive, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "imagenette2-160.tgz").write_bytes((tmp_path / "served" / "imagenette2-160.tgz").read_bytes())
    absent = host._replace(url="http://127.0.0.1:9/imagenette2-160.tgz")
    assert find_photos(None, cache, print, absent).folder == cache / "imagenette2-160"


def test_an_archive_with_another_checksum_is_removed_and_digits_stand_in(
    host: Archive, tmp_path: Path
) -> None:
    said: list[str] = []
    cache = tmp_path / "cache"
    photos = find_photos(None, cache, said.append, host._replace(md5="0" * 32))
    assert photos.folder == cache / "digits"
    assert sorted(path.name for path in cache.iterdir()) == ["digits"]
    assert any("MD5" in line for line in said)
    assert any("scikit-learn" in line for line in said)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.tgz", "{host}/absent.tgz"])
def test_without_an_answer_digits_stand_in_and_it_is_said(host: Archive, tmp_path: Path, url: str) -> None:
    said: list[str] = []
    absent = host._replace(url=url.format(host=host.url.rpartition("/")[0]))
    assert find_photos(None, tmp_path / "cache", said.append, absent).folder.name == "digits"
    assert any("does not answer" in line for line in said)


def test_the_demo_asks_for_what_torchvision_names() -> None:
    assert IMAGENETTE.url == "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz"
    assert IMAGENETTE.md5 == "e793b78cc4c9e9a4ccc0c1155377a412"
    assert len(IMAGENETTE.class_names) == 10


def test_digits_are_the_scans_enlarged(tmp_path: Path) -> None:
    folder = digits(tmp_path).folder
    scans = load_digits()
    files = sorted(folder.glob("*/*/*.png"), key=lambda path: path.name)
    assert [int(path.parent.name) for path in files] == scans.target.tolist()
    assert len(list(folder.glob("val/*/*.png"))) == 360
    for path, scan in zip(files[::300], scans.images[::300], strict=True):
        with Image.open(path) as image:
            shrunk = np.asarray(image.resize((8, 8), Image.Resampling.BOX), dtype=float)
        assert np.corrcoef(shrunk.ravel(), -scan.ravel())[0, 1] > 0.99


def test_a_folder_without_a_split_is_split_and_held_out_photos_are_of_the_split(tmp_path: Path) -> None:
    write_classes(tmp_path / "mine", photos=10)
    photos = own_photos(tmp_path / "mine")
    assert photos.val_fraction == 0.2
    source = open_source(SourceConfig(path=str(photos.folder)))
    _, val = choose_splits(source, None, photos.val_fraction, seed=SEED)
    validated = {photos.folder / photo.path for photo in val.photos}
    shown = held_out(photos, 3)
    assert len({photo.label for photo in shown}) == 3
    assert {photo.path for photo in shown} <= validated
    assert all(photo.path.parent.name == photo.label for photo in shown)


def test_a_held_out_photo_that_does_not_open_is_passed_over(tmp_path: Path) -> None:
    write_classes(tmp_path / "mine" / "train")
    write_classes(tmp_path / "mine" / "val")
    (tmp_path / "mine" / "val" / "n01" / "0.JPEG").write_bytes(jpeg(0)[:200])
    shown = held_out(own_photos(tmp_path / "mine"), 1)
    assert [photo.path.name for photo in shown] == ["1.JPEG"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSourceError, match="nowhere"):
        own_photos(tmp_path / "nowhere")
