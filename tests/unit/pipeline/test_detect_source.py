"""Telling a source's form from what lies there."""

from __future__ import annotations

import io
import json
import pickle
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import SourceConfig
from pipeline.errors import BadSourceError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.detect import open_source
from pipeline.photos.sources.folder import FolderSource
from pipeline.photos.sources.ilsvrc import IlsvrcSource
from pipeline.photos.sources.kaggle import KaggleSource
from pipeline.photos.sources.named import NamedSource
from pipeline.photos.sources.parquet import ParquetSource
from pipeline.photos.sources.table import TableSource
from pipeline.photos.sources.webdataset import WebDatasetSource

CONTENTS = {
    f"{class_id}/{number}.jpg": f"{class_id}{number}".encode() for class_id in "ab" for number in range(3)
}


def write(folder, *paths, content=b"x"):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def opened(path, type_="auto", **options):
    return open_source(SourceConfig(type=type_, path=str(path), **options))


@pytest.mark.parametrize(
    ("paths", "form"),
    [
        (["a/1.jpg", "b/2.PNG"], FolderSource),
        (["train/a/1.jpg", "val/a/2.jpg"], FolderSource),
        (["a/1.jpg", "b/2.jpg", "metadata.parquet", "original.tar", "list.csv"], FolderSource),
        (["train/a/1.jpg", "val/a/2.jpg", "train.tar", "val.tar"], FolderSource),
        (["a/without_ending"], FolderSource),
        ([], FolderSource),
        (["ILSVRC2012_img_train.tar"], IlsvrcSource),
        (["ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "n01/1.JPEG"], IlsvrcSource),
        (["ILSVRC/Data/CLS-LOC/train/n01/1.JPEG", "LOC_synset_mapping.txt"], KaggleSource),
        (["data/train-00000.parquet", "README.md", ".gitattributes"], ParquetSource),
        (["0.parquet"], ParquetSource),
        (["default/train/0000.parquet"], ParquetSource),
        (["0.tar", "1.tar"], WebDatasetSource),
        (["train/0.TAR", "val/0.tar", "preview.jpg"], WebDatasetSource),
        ([f"empty{number}/.hidden" for number in range(100)], FolderSource),
    ],
)
def test_form_of_a_folder_is_told_from_what_is_in_it(tmp_path, paths, form):
    write(tmp_path, *paths)
    assert opened(tmp_path) == form(LocalFiles(tmp_path))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("table.csv", TableSource),
        ("TABLE.CSV", TableSource),
        ("table.jsonl", TableSource),
        ("0.parquet", ParquetSource),
        ("0.tar", WebDatasetSource),
    ],
)
def test_form_of_a_file_is_told_from_its_ending(tmp_path, name, form):
    write(tmp_path, name)
    source = opened(tmp_path / name)
    assert source == form(LocalFiles(tmp_path), name)
    assert source.location == f"{tmp_path}/{name}"


@pytest.mark.parametrize(
    ("type_", "form"),
    [
        ("folder", FolderSource),
        ("ilsvrc", IlsvrcSource),
        ("webdataset", WebDatasetSource),
        ("parquet", ParquetSource),
    ],
)
def test_type_that_is_given_counts_and_is_checked_when_listed(tmp_path, type_, form):
    write(tmp_path, "notes.txt")
    source = opened(tmp_path, type_)
    assert source == form(LocalFiles(tmp_path))
    assert source.type == type_
    with pytest.raises(BadSourceError, match=str(tmp_path)):
        source.listings()


def test_type_ilsvrc_tells_the_two_downloads_apart(tmp_path):
    write(tmp_path, "ILSVRC/Data/CLS-LOC/train/n01/1.JPEG")
    assert opened(tmp_path, "ilsvrc") == KaggleSource(LocalFiles(tmp_path))


def test_only_a_few_folders_are_looked_into(tmp_path, monkeypatch):
    write(tmp_path, *(f"{number:03d}/photo" for number in range(100)))
    looked = []
    files = LocalFiles.files
    monkeypatch.setattr(
        LocalFiles, "files", lambda self, folder="": looked.append(folder) or files(self, folder)
    )
    monkeypatch.setattr(LocalFiles, "files_below", lambda *_: pytest.fail("walked"))
    opened(tmp_path)
    assert 1 < len(looked) <= 20


@pytest.mark.parametrize("type_", ["auto", "folder", "csv", "parquet", "webdataset", "ilsvrc"])
def test_what_is_not_there_is_said_to_be_missing(tmp_path, type_):
    with pytest.raises(BadSourceError, match=f"^{tmp_path}/absent does not exist: give a folder") as caught:
        opened(tmp_path / "absent", type_)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("type_", ["auto", "folder", "ilsvrc"])
def test_file_of_another_kind_is_no_folder(tmp_path, type_):
    write(tmp_path, "photos.zip")
    with pytest.raises(BadSourceError, match=f"^{tmp_path}/photos.zip is not a folder: give a folder"):
        opened(tmp_path / "photos.zip", type_)


def test_table_has_to_be_named_itself(tmp_path):
    write(tmp_path, "table.csv")
    with pytest.raises(BadSourceError, match=r"is a folder: name the \.csv or \.jsonl file itself"):
        opened(tmp_path, "csv")


def test_url_of_another_kind_is_refused():
    with pytest.raises(BadSourceError, match="s3://bucket/prefix or gs://bucket/prefix"):
        opened("https://host/photos")


def test_every_form_of_the_same_photos_gives_the_same_order_and_bytes(tmp_path):
    for path, content in CONTENTS.items():
        write(tmp_path / "folder", path, content=content)
        write(tmp_path / "tables" / "deep", path, content=content)
    shuffled = sorted(CONTENTS, key=lambda path: path[::-1])
    rows = "".join(f"deep/{path},{path[0]}\n" for path in shuffled)
    write(tmp_path / "tables", "t.csv", content=f"path,label\n{rows}".encode())
    lines = (json.dumps({"path": f"deep/{path}", "label": path[0]}) + "\n" for path in shuffled)
    write(tmp_path / "tables", "t.jsonl", content="".join(lines).encode())
    images = [{"bytes": CONTENTS[path], "path": path} for path in shuffled]
    (tmp_path / "hub").mkdir()
    pq.write_table(
        pa.table({"image": images, "label": [path[0] for path in shuffled]}), tmp_path / "hub" / "0.parquet"
    )
    (tmp_path / "tars").mkdir()
    with tarfile.open(tmp_path / "tars" / "0.tar", "w") as tar:
        for path in shuffled:
            info = tarfile.TarInfo(path)
            info.size = len(CONTENTS[path])
            tar.addfile(info, io.BytesIO(CONTENTS[path]))
    for form in ("folder", "tables/t.csv", "tables/t.jsonl", "hub", "hub/0.parquet", "tars", "tars/0.tar"):
        source = pickle.loads(pickle.dumps(opened(tmp_path / form)))
        listed = source.listings()["all"]
        assert [(photo.class_id, source.read(photo)) for photo in listed] == [
            (path[0], content) for path, content in CONTENTS.items()
        ]


def test_names_that_are_given_override_the_sources_own(tmp_path):
    write(tmp_path, "set/a/1.jpg", "set/b/2.jpg")
    write(tmp_path, "set/classes.json", content=b'{"a": "its own", "b": "its own too"}')
    write(tmp_path, "names.json", content=b'{"a": "given", "c": "of no class"}')
    source = pickle.loads(pickle.dumps(opened(tmp_path / "set", class_names=str(tmp_path / "names.json"))))
    plain = opened(tmp_path / "set")
    assert isinstance(source, NamedSource)
    assert source.class_names() == {"a": "given", "b": "its own too", "c": "of no class"}
    assert (source.type, source.location, source.listings()) == (plain.type, plain.location, plain.listings())
    assert [source.read(photo) for photo in source.listings()["all"]] == [b"x", b"x"]


def test_names_that_are_none_are_refused(tmp_path):
    write(tmp_path, "set/a/1.jpg", "names.json")
    for names in ("names.json", "absent.json"):
        with pytest.raises(BadSourceError, match=names):
            opened(tmp_path / "set", class_names=str(tmp_path / names)).class_names()
