"""Photos in class folders."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

import pytest

from pipeline.config import SourceConfig
from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.detect import open_source
from pipeline.photos.sources.folder import FolderSource


def write(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_listing_is_sorted_and_holds_every_visible_file(tmp_path):
    for path in (
        "b/2.jpg",
        "b/1.JPEG",
        "a/deep/er/3.png",
        "a/notes.txt",
        ".git/x",
        "a/.DS_Store",
        "loose.jpg",
    ):
        write(tmp_path / path, b"12345")
    source = open_source(SourceConfig(path=str(tmp_path)))
    assert source.listings() == {
        "all": [
            Photo("a/deep/er/3.png", "a", 5),
            Photo("a/notes.txt", "a", 5),
            Photo("b/1.JPEG", "b", 5),
            Photo("b/2.jpg", "b", 5),
        ]
    }
    assert source.read(Photo("a/notes.txt", "a", 5)) == b"12345"


def test_train_and_val_are_kept_apart(tmp_path):
    for path in ("train/a/1.jpg", "val/a/2.jpg", "test/a/3.jpg"):
        write(tmp_path / path)
    listings = FolderSource(LocalFiles(tmp_path)).listings()
    assert {split: [photo.path for photo in listed] for split, listed in listings.items()} == {
        "train": ["train/a/1.jpg"],
        "val": ["val/a/2.jpg"],
    }


@pytest.mark.parametrize(
    ("paths", "odd"),
    [
        (["train/steam/1.jpg", "plane/2.jpg", "boat/3.jpg"], "boat/"),
        (["train/a/1.jpg", "val/a/2.jpg", "validation/a/3.jpg"], "validation/"),
        (["train/a/1.jpg", "train/2.JPG", "val/a/3.jpg"], "train/2.JPG"),
    ],
)
def test_what_is_of_no_split_is_refused_beside_splits(tmp_path, paths, odd):
    for path in paths:
        write(tmp_path / path)
    source = FolderSource(LocalFiles(tmp_path))
    with pytest.raises(BadSourceError, match=f"train holds folders, .* and '{odd}' is of none: ") as caught:
        source.listings()
    assert "put all class folders into a folder called train" in str(caught.value)


def test_class_called_train_may_hold_folders_among_the_classes_of_a_split(tmp_path):
    others = ("train/labels.csv", "read.me", ".git/x", "annotations/1.xml", "lost+found/1.jpg")
    for path in ("train/train/steam/1.jpg", "train/plane/2.jpg", *others):
        write(tmp_path / path)
    listings = FolderSource(LocalFiles(tmp_path)).listings()
    assert [(photo.path, photo.class_id) for photo in listings["train"]] == [
        ("train/plane/2.jpg", "plane"),
        ("train/train/steam/1.jpg", "train"),
    ]


def test_folder_named_train_with_photos_in_it_is_a_class(tmp_path):
    for path in ("train/1.jpg", "plane/2.jpg"):
        write(tmp_path / path)
    assert [photo.class_id for photo in FolderSource(LocalFiles(tmp_path)).listings()["all"]] == [
        "plane",
        "train",
    ]


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        ([], "holds no class folders"),
        (["loose.jpg"], "holds no class folders"),
        (["a/.hidden"], "class folder .*a holds no photos"),
        (["a/1.jpg", "b/.hidden"], "class folder .*b holds no photos"),
        (["train/a/1.jpg", "val/2.jpg"], "val holds no class folders"),
    ],
)
def test_folder_without_photos_is_refused_in_one_line(tmp_path, paths, problem):
    for path in paths:
        write(tmp_path / path)
    with pytest.raises(BadSourceError, match=problem) as caught:
        FolderSource(LocalFiles(tmp_path)).listings()
    assert "\n" not in str(caught.value)


def test_missing_folder_and_plain_file_are_refused(tmp_path):
    with pytest.raises(BadSourceError, match="does not exist"):
        FolderSource(LocalFiles(tmp_path / "absent")).listings()
    write(tmp_path / "file")
    with pytest.raises(BadSourceError, match="is not a folder"):
        FolderSource(LocalFiles(tmp_path / "file")).listings()


def test_class_folder_whose_name_cannot_be_printed_is_refused(tmp_path):
    write(tmp_path / os.fsdecode(b"caf\xe9") / "1.jpg")
    with pytest.raises(BadSourceError, match="cannot be printed"):
        FolderSource(LocalFiles(tmp_path)).listings()


def test_what_cannot_be_read_is_listed_and_refused_with_its_reason(tmp_path):
    source = FolderSource(LocalFiles(tmp_path / "source"))
    write(tmp_path / "elsewhere" / "secret.jpg")
    folder = tmp_path / "source" / "a"
    write(folder / "0.jpg", b"photo")
    write(folder / os.fsdecode(b"\xff\n.jpg"), b"odd name")
    (folder / "inner.jpg").symlink_to("0.jpg")
    (folder / "outer.jpg").symlink_to(tmp_path / "elsewhere" / "secret.jpg")
    (folder / "outer").symlink_to(tmp_path / "elsewhere")
    (folder / "broken.jpg").symlink_to("absent.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with (folder / "huge.jpg").open("wb") as huge:
        huge.truncate(600 * 2**20)
    outcome = {}
    for photo in source.listings()["all"]:
        try:
            outcome[photo.path.removeprefix("a/")] = source.read(photo)
        except UnusablePhotoError as error:
            outcome[photo.path.removeprefix("a/")] = error.args[0]
    assert outcome == {
        "0.jpg": b"photo",
        os.fsdecode(b"\xff\n.jpg"): b"odd name",
        "inner.jpg": b"photo",
        "outer.jpg": "outside_source",
        "outer": "outside_source",
        "broken.jpg": "unreadable",
        "loop.jpg": "unreadable",
        "pipe.jpg": "not_a_file",
        "huge.jpg": "too_large",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put itself in another's place")
def test_photo_that_may_not_be_read_is_unreadable():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        write(root / "a" / "1.jpg", b"photo")
        write(root / "a" / "2.jpg", b"photo")
        (root / "a" / "2.jpg").chmod(0)
        source = FolderSource(LocalFiles(root))
        os.seteuid(65534)
        try:
            first, second = source.listings()["all"]
            assert source.read(first) == b"photo"
            with pytest.raises(UnusablePhotoError, match="unreadable: Permission denied"):
                source.read(second)
        finally:
            os.seteuid(0)


def test_source_below_a_link_is_read(tmp_path):
    write(tmp_path / "real" / "a" / "1.jpg", b"photo")
    (tmp_path / "link").symlink_to("real")
    assert FolderSource(LocalFiles(tmp_path / "link")).read(Photo("a/1.jpg", "a", 5)) == b"photo"


def test_source_crosses_into_another_process(tmp_path):
    write(tmp_path / "a" / "1.jpg", b"photo")
    source = FolderSource(LocalFiles(tmp_path))
    assert source.read(Photo("a/1.jpg", "a", 5)) == pickle.loads(pickle.dumps(source)).read(
        Photo("a/1.jpg", "a", 5)
    )


@pytest.mark.parametrize("content", ["{", "[1]", '{"a": 1}', '{"a": "\\u0007"}', "\xff"])
def test_class_names_that_are_none_are_refused(tmp_path, content):
    (tmp_path / "classes.json").write_text(content, "latin-1")
    with pytest.raises(BadSourceError, match=r"classes\.json"):
        FolderSource(LocalFiles(tmp_path)).class_names()
