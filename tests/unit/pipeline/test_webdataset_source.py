"""Photos in tars of samples, and which split a file of a collection belongs to."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile

import pytest

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.files import File
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.archive_splits import by_split
from pipeline.photos.sources.webdataset import WebDatasetSource


def write_tar(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def source_of(folder, files, name="photos.tar"):
    write_tar(folder / name, files)
    return WebDatasetSource(LocalFiles(folder))


def listed(source):
    return {
        split: [(photo.class_id, photo.path) for photo in photos]
        for split, photos in source.listings().items()
    }


def refusal(source):
    with pytest.raises(BadSourceError) as caught:
        source.listings()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_photos_are_read_as_tarfile_reads_them(photos, tmp_path):
    endings = {"jpg": "JPEG", "jpeg": "JPEG", "PNG": "PNG", "webp": "WEBP"}
    files = {}
    for number, (ending, form) in enumerate(endings.items()):
        files[f"{number:04d}.json"] = b"{}"
        files[f"{number:04d}.{ending}"] = photos.encode(photos.pixels(number, 20, 30), form)
        files[f"{number:04d}.cls"] = b"cat"
    source = source_of(tmp_path, files)
    found = source.listings()["all"]
    assert [photo.path for photo in found] == [
        f"photos.tar/{number:04d}.{e}" for number, e in enumerate(endings)
    ]
    with tarfile.open(tmp_path / "photos.tar") as tar:
        for photo in found:
            assert source.read(photo) == tar.extractfile(photo.path.removeprefix("photos.tar/")).read()


def test_tars_in_folders_are_found_and_kept_apart_by_split(tmp_path):
    for path in ("train/00.tar", "train/more/01.TAR", "validation/00.tar", "test/00.tar"):
        write_tar(tmp_path / path, {f"{path}/1.jpg": b"photo", f"{path}/1.cls": b"cat"})
    (tmp_path / "README.md").write_text("photos")
    write_tar(tmp_path / ".cache" / "hidden.tar", {"1.jpg": b"1"})
    assert listed(WebDatasetSource(LocalFiles(tmp_path))) == {
        "train": [
            ("cat", "train/00.tar/train/00.tar/1.jpg"),
            ("cat", "train/more/01.TAR/train/more/01.TAR/1.jpg"),
        ],
        "val": [("cat", "validation/00.tar/validation/00.tar/1.jpg")],
    }


def test_class_is_the_label_and_else_the_folder(tmp_path):
    files = {
        "x/dog/1.jpg": b"1",
        "x/dog/2.jpg": b"2",
        "x/dog/2.cls": b"cat\n",
        "./owl/1.jpg": b"3",
        "3.cls": b"0",
        "3.jpg": b"4",
    }
    assert listed(source_of(tmp_path, files))["all"] == [
        ("0", "photos.tar/3.jpg"),
        ("cat", "photos.tar/x/dog/2.jpg"),
        ("dog", "photos.tar/x/dog/1.jpg"),
        ("owl", "photos.tar/owl/1.jpg"),
    ]


def test_integers_become_ids_of_one_width_over_all_splits(tmp_path):
    write_tar(tmp_path / "train.tar", {"a.jpg": b"a", "a.cls": b"10", "b.jpg": b"b", "b.cls": b"2"})
    write_tar(tmp_path / "val.tar", {"c.jpg": b"c", "c.cls": b" 07\n", "d.jpg": b"d", "d.cls": b"100"})
    assert listed(WebDatasetSource(LocalFiles(tmp_path))) == {
        "train": [("002", "train.tar/b.jpg"), ("010", "train.tar/a.jpg")],
        "val": [("007", "val.tar/c.jpg"), ("100", "val.tar/d.jpg")],
    }


def test_integers_among_words_stay_as_they_stand(tmp_path):
    files = {"a.jpg": b"a", "a.cls": b"10", "b.jpg": b"b", "b.cls": b"2", "c.jpg": b"c", "c.cls": b"-1"}
    assert [class_id for class_id, _ in listed(source_of(tmp_path, files))["all"]] == ["-1", "10", "2"]


def test_samples_go_to_the_first_dot_and_need_not_be_side_by_side(tmp_path):
    files = {
        "a.b/1.jpg": b"photo of 1",
        "a.b/2.jpg": b"photo of 2",
        "a.b/1.seg.png": b"mask of 1",
        "a.b/2.cls": b"two",
        "a.b/1.cls": b"one",
    }
    source = source_of(tmp_path, files)
    assert [(photo.class_id, source.read(photo)) for photo in source.listings()["all"]] == [
        ("one", b"photo of 1"),
        ("two", b"photo of 2"),
    ]


def test_sample_without_a_photo_is_listed_and_refused_when_read(tmp_path):
    source = source_of(tmp_path, {"1.cls": b"cat", "2.jpg": b"", "2.cls": b"cat", "dog/3.txt": b"notes"})
    outcomes = {}
    for photo in source.listings()["all"]:
        with pytest.raises(UnusablePhotoError) as caught:
            source.read(photo)
        outcomes[photo.class_id, photo.path] = caught.value.args[0]
    assert outcomes == {
        ("cat", "photos.tar/1"): "unreadable",
        ("cat", "photos.tar/2.jpg"): "empty",
        ("dog", "photos.tar/dog/3"): "unreadable",
    }


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"1.jpg": b"1"}, "sample '1' in .*photos.tar has no .cls and lies in no folder"),
        ({"1.cls": b"cat", "1.jpg": b"1", "README.txt": b""}, "sample 'README' in .*photos.tar has no .cls"),
        ({"a/1.jpg": b"1", "a/1.png": b"2"}, "sample 'a/1' in .*photos.tar has more than one photo"),
        ({"1.jpg": b"1", "1.cls": b""}, "'1.cls' in .*photos.tar holds no class"),
        ({"1.jpg": b"1", "1.cls": b"a\nb"}, "'1.cls' in .*photos.tar holds no class"),
        ({"1.jpg": b"1", "1.cls": b"\xff"}, "'1.cls' in .*photos.tar is no text"),
        ({"1.jpg": b"1", "1.cls": b"0" * 2000}, "'1.cls' in .*photos.tar has 2000 bytes and is no label"),
        ({"a\n/1.jpg": b"1"}, "lies in a folder whose name cannot be printed"),
        ({os.fsdecode(b"caf\xe9/1.jpg"): b"1"}, "lies in a folder whose name cannot be printed"),
        ({}, "photos.tar holds no photos"),
    ],
)
def test_samples_that_make_no_labelled_photos_are_refused(tmp_path, files, problem):
    source = source_of(tmp_path, {"first/1.jpg": b"1"}, "another.tar")
    write_tar(tmp_path / "photos.tar", files)
    with pytest.raises(BadSourceError, match=problem):
        source.listings()
    refusal(source)


def test_same_sample_twice_in_a_tar_is_refused(tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        for _ in range(2):
            info = tarfile.TarInfo("a/1.jpg")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"1"))
    assert "more than one photo" in refusal(WebDatasetSource(LocalFiles(tmp_path)))


def test_folder_without_tars_or_with_compressed_ones_is_refused(tmp_path):
    source = WebDatasetSource(LocalFiles(tmp_path))
    assert "holds no tars" in refusal(source)
    write_tar(tmp_path / "00.tar", {"a/1.jpg": b"1"})
    (tmp_path / "01.tar.gz").write_bytes(b"")
    assert "01.tar.gz is compressed: decompress it first" in refusal(source)


def test_one_tar_of_many_that_is_cut_off_is_named(tmp_path):
    for number in range(20):
        write_tar(tmp_path / f"{number:02d}.tar", {f"a/{number}.jpg": b"photo"})
    whole = (tmp_path / "13.tar").read_bytes()
    for cut in (0, 100, 512, 515, 1024):
        (tmp_path / "13.tar").write_bytes(whole[:cut])
        assert "13.tar is cut off after" in refusal(WebDatasetSource(LocalFiles(tmp_path)))
    (tmp_path / "13.tar").write_bytes(whole)
    assert len(WebDatasetSource(LocalFiles(tmp_path)).listings()["all"]) == 20


def test_names_of_classes_come_from_a_file_beside_the_tars(tmp_path):
    source = source_of(tmp_path, {"a/1.jpg": b"1"})
    assert source.class_names() == {}
    (tmp_path / "classes.json").write_text(json.dumps({"a": "aardvark"}))
    assert source.class_names() == {"a": "aardvark"}


def test_source_crosses_into_another_process(tmp_path):
    source = source_of(tmp_path, {"a/1.jpg": b"photo"})
    there = pickle.loads(pickle.dumps(source))
    assert there.type == "webdataset"
    assert there.read(source.listings()["all"][0]) == b"photo"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (
            ["imagenet1k-train-0001.tar", "imagenet1k-train-0000.tar", "imagenet1k-validation-00.tar"],
            {
                "train": ["imagenet1k-train-0000.tar", "imagenet1k-train-0001.tar"],
                "val": ["imagenet1k-validation-00.tar"],
            },
        ),
        (
            ["data/train-00000-of-00294.parquet", "data/test-00000-of-00028.parquet"],
            {"train": ["data/train-00000-of-00294.parquet"]},
        ),
        (
            ["training/0.tar", "VALID/0.tar", "dev_1.tar"],
            {"train": ["training/0.tar"], "val": ["VALID/0.tar", "dev_1.tar"]},
        ),
        (["val/1.tar", "test.tar"], {"val": ["val/1.tar"]}),
        (["retrain/trainval.tar", "devices.tar"], {"all": ["devices.tar", "retrain/trainval.tar"]}),
        (["test/1.tar", "test/0.tar"], {"all": ["test/0.tar", "test/1.tar"]}),
        (
            ["test-run/train-0.tar", "train/val-0.tar"],
            {"train": ["test-run/train-0.tar"], "val": ["train/val-0.tar"]},
        ),
        ([], {"all": []}),
    ],
)
def test_words_in_paths_say_the_split(paths, expected):
    found = by_split(File(path, 1) for path in paths)
    assert {split: [file.path for file in files] for split, files in found.items()} == expected


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (["train-0.tar", "more.tar"], "whether 'more.tar' trains or validates is not known"),
        (["more.tar", "test-0.tar"], "whether 'more.tar' trains or validates is not known"),
        (["train-0.tar", "train-val-0.tar"], "'train-val-0.tar' could be of train or val"),
    ],
)
def test_files_whose_split_is_not_known_are_refused_naming_one(paths, problem):
    with pytest.raises(BadSourceError, match=problem):
        by_split(File(path, 1) for path in paths)
