"""ImageNet's photos as Kaggle's competition hands them out."""

from __future__ import annotations

import os
import pickle

import pytest

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.kaggle import DATA_FOLDER, KaggleSource

LABELS = """ImageId,PredictionString
ILSVRC2012_val_00000002,n01440764 115 49 448 294
ILSVRC2012_val_00000001,n01443537 111 108 230 326 n01443537 3 4 50 60
"""


def write(root, path, content=b"x"):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)


@pytest.fixture
def root(tmp_path):
    write(tmp_path, f"{DATA_FOLDER}/train/n01443537/n01443537_2.JPEG", b"22")
    write(tmp_path, f"{DATA_FOLDER}/train/n01440764/n01440764_10026.JPEG", b"10026")
    write(tmp_path, f"{DATA_FOLDER}/train/n01440764/.hidden.JPEG")
    write(tmp_path, f"{DATA_FOLDER}/val/ILSVRC2012_val_00000001.JPEG", b"1")
    write(tmp_path, f"{DATA_FOLDER}/val/ILSVRC2012_val_00000002.JPEG", b"02")
    write(tmp_path, f"{DATA_FOLDER}/test/ILSVRC2012_test_00000001.JPEG")
    write(tmp_path, "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml")
    write(tmp_path, "LOC_val_solution.csv", LABELS.encode())
    return tmp_path


def test_classes_come_from_folders_and_from_the_list(root):
    source = KaggleSource(LocalFiles(root))
    assert source.type == "ilsvrc"
    listings = source.listings()
    assert listings == {
        "train": [
            Photo(f"{DATA_FOLDER}/train/n01440764/n01440764_10026.JPEG", "n01440764", 5),
            Photo(f"{DATA_FOLDER}/train/n01443537/n01443537_2.JPEG", "n01443537", 2),
        ],
        "val": [
            Photo(f"{DATA_FOLDER}/val/ILSVRC2012_val_00000002.JPEG", "n01440764", 2),
            Photo(f"{DATA_FOLDER}/val/ILSVRC2012_val_00000001.JPEG", "n01443537", 1),
        ],
    }
    assert [source.read(photo) for photo in listings["val"]] == [b"02", b"1"]


def test_list_is_read_whatever_wrote_it(root):
    expected = KaggleSource(LocalFiles(root)).listings()
    write(root, "LOC_val_solution.csv", b"\xef\xbb\xbf" + LABELS.replace("\n", "\r\n").encode())
    assert KaggleSource(LocalFiles(root)).listings() == expected


def test_without_validation_photos_there_is_only_train(root):
    for path in sorted((root / DATA_FOLDER / "val").iterdir()):
        path.unlink()
    (root / DATA_FOLDER / "val").rmdir()
    (root / "LOC_val_solution.csv").unlink()
    assert KaggleSource(LocalFiles(root)).listings().keys() == {"train"}


def test_validation_photo_without_a_line_is_refused_naming_it(root):
    write(root, f"{DATA_FOLDER}/val/ILSVRC2012_val_00000003.JPEG")
    with pytest.raises(BadSourceError, match=r"no line for .*ILSVRC2012_val_00000003\.JPEG"):
        KaggleSource(LocalFiles(root)).listings()


def test_line_whose_photo_is_absent_stays_listed_and_is_refused_when_read(root):
    path = f"{DATA_FOLDER}/val/ILSVRC2012_val_00000002.JPEG"
    (root / path).unlink()
    source = KaggleSource(LocalFiles(root))
    absent = Photo(path, "n01440764", 0)
    assert source.listings()["val"][0] == absent
    with pytest.raises(UnusablePhotoError) as caught:
        source.read(absent)
    assert caught.value.args[0] == "unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n1,2\n",
        b"ImageId,PredictionString\n\xff,n1 2\n",
        b"ImageId,PredictionString\nILSVRC2012_val_00000001,\nILSVRC2012_val_00000002,n1 2\n",
        b"ImageId,PredictionString\nILSVRC2012_val_00000001\n",
        b"ImageId,PredictionString\n,n01443537 2\n",
        b"ImageId,PredictionString\nILSVRC2012_val_00000001,n\x07 2\n",
        b"ImageId,PredictionString\nILSVRC2012_val_00000001,n1 2\nILSVRC2012_val_00000001,n2 3\n",
    ],
)
def test_list_that_is_none_is_refused_in_one_line(root, content):
    write(root, "LOC_val_solution.csv", content)
    with pytest.raises(BadSourceError, match=r"LOC_val_solution\.csv") as caught:
        KaggleSource(LocalFiles(root)).listings()
    assert "\n" not in str(caught.value)


def test_missing_list_is_refused_saying_what_it_is_for(root):
    (root / "LOC_val_solution.csv").unlink()
    with pytest.raises(BadSourceError, match=r"LOC_val_solution\.csv is not there, which says what"):
        KaggleSource(LocalFiles(root)).listings()


@pytest.mark.parametrize(
    ("folder", "problem"),
    [(b"n3", "holds no photos"), (b"caf\xe9", "cannot be printed")],
)
def test_class_folder_that_is_none_is_refused(root, folder, problem):
    (root / DATA_FOLDER / "train" / os.fsdecode(folder)).mkdir()
    with pytest.raises(BadSourceError, match=problem):
        KaggleSource(LocalFiles(root)).listings()


def test_train_folder_without_class_folders_is_refused(tmp_path):
    write(tmp_path, f"{DATA_FOLDER}/train/n01440764_1.JPEG")
    with pytest.raises(BadSourceError, match="holds no class folders"):
        KaggleSource(LocalFiles(tmp_path)).listings()


def test_names_of_classes_come_from_the_mapping(root):
    source = KaggleSource(LocalFiles(root))
    assert source.class_names() == {}
    write(root, "LOC_synset_mapping.txt", b"n01440764 tench, Tinca tinca\nn01443537 goldfish\n")
    assert source.class_names() == {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish"}


def test_source_crosses_into_another_process(root):
    source = KaggleSource(LocalFiles(root))
    photo = source.listings()["train"][0]
    assert pickle.loads(pickle.dumps(source)).read(photo) == b"10026"
