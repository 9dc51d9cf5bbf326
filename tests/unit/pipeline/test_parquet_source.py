"""Photos in Parquet files, as model hubs hand them out."""

from __future__ import annotations

import json
import os
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.folder import FolderSource
from pipeline.photos.sources.parquet import ParquetSource

CONTENTS = {
    f"{class_id}/{number:02d}.jpg": f"{class_id}{number}".encode() * 40
    for class_id in "abc"
    for number in range(7)
}

# What keeps the photos' bytes as they are, and in one place.
PLAIN = {"compression": "none", "use_dictionary": False, "write_statistics": False}


def hub_table(photos, labels, names=None, column="image"):
    """Photos as hubs store them: (path, bytes) pairs, or bytes alone."""
    values = [
        photo if isinstance(photo, bytes) or photo is None else {"bytes": photo[1], "path": photo[0]}
        for photo in photos
    ]
    kind = (
        None if isinstance(photos[0], bytes) else pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    table = pa.table({column: pa.array(values, kind), "label": labels, "caption": ["words"] * len(labels)})
    if names is None:
        return table
    info = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    return table.replace_schema_metadata({"huggingface": json.dumps(info)})


def write(path, table, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **{"row_group_size": 3} | options)


def source(folder, file=""):
    return ParquetSource(LocalFiles(folder), file)


def test_photos_are_those_of_class_folders_in_the_same_order(tmp_path):
    for path, content in CONTENTS.items():
        (tmp_path / "folder" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / path).write_bytes(content)
    items = list(CONTENTS.items())[::-1]
    for number in range(3):
        part = items[number::3]
        write(tmp_path / "hub" / "data" / f"{number}.parquet", hub_table(part, [path[0] for path, _ in part]))
    folder = FolderSource(LocalFiles(tmp_path / "folder"))
    hub = pickle.loads(pickle.dumps(source(tmp_path / "hub")))
    expected, listed = folder.listings()["all"], hub.listings()["all"]
    assert [photo.class_id for photo in listed] == [photo.class_id for photo in expected]
    assert [photo.path.partition(".parquet/")[2] for photo in listed] == [photo.path for photo in expected]
    assert [hub.read(photo) for photo in listed] == [folder.read(photo) for photo in expected]


def test_splits_come_from_the_names_and_classes_from_the_metadata(tmp_path):
    names = [f"class {number}" for number in range(12)]
    write(
        tmp_path / "data" / "train-00000-of-00001.parquet",
        hub_table([("x.jpg", b"x"), ("y.jpg", b"y")], [3, 0], names),
    )
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", hub_table([("z.jpg", b"z")], [11], names))
    hub = source(tmp_path)
    listings = hub.listings()
    assert {
        split: [(photo.path, photo.class_id, photo.place) for photo in photos]
        for split, photos in listings.items()
    } == {
        "train": [
            ("data/train-00000-of-00001.parquet/y.jpg", "00", 1),
            ("data/train-00000-of-00001.parquet/x.jpg", "03", 0),
        ],
        "val": [("data/validation-00000-of-00001.parquet/z.jpg", "11", 0)],
    }
    assert [hub.read(photo) for photo in listings["train"]] == [b"y", b"x"]
    assert hub.class_names() == {f"{number:02d}": name for number, name in enumerate(names)}


def test_one_file_is_a_source_whatever_its_name(tmp_path):
    write(tmp_path / "test.parquet", hub_table([("x.jpg", b"x")], ["a"]))
    write(tmp_path / "other.parquet", hub_table([("y.jpg", b"y")], ["a"]))
    one = source(tmp_path, "test.parquet")
    assert one.location == f"{tmp_path}/test.parquet"
    (photo,) = one.listings()["all"]
    assert photo.path == "test.parquet/x.jpg"
    assert one.read(photo) == b"x"


@pytest.mark.parametrize("column", ["image", "img"])
def test_bytes_alone_are_called_by_their_row(tmp_path, column):
    write(tmp_path / "a.parquet", hub_table([b"x", b"y" * 5, b"", b"z"], [1, 0, 1, 1], column=column))
    hub = source(tmp_path)
    listed = hub.listings()["all"]
    assert [(photo.path, photo.class_id) for photo in listed] == [
        ("a.parquet/00000001", "0"),
        ("a.parquet/00000000", "1"),
        ("a.parquet/00000002", "1"),
        ("a.parquet/00000003", "1"),
    ]
    assert [hub.read(photo) for photo in listed] == [b"y" * 5, b"x", b"", b"z"]
    assert hub.class_names() == {}


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([2, 1], pa.int8()),
        pa.array([2, 1], pa.uint64()),
        pa.array(["2", "1"], pa.large_string()),
        pa.array(["2", "1"]).dictionary_encode(),
    ],
)
def test_labels_may_be_stored_in_any_usual_way(tmp_path, labels):
    write(tmp_path / "a.parquet", hub_table([("x", b"x"), ("y", b"y")], labels))
    assert [photo.class_id for photo in source(tmp_path).listings()["all"]] == ["1", "2"]


def test_row_without_a_photo_is_listed_and_refused_when_read(tmp_path):
    write(
        tmp_path / "a.parquet",
        hub_table([("x", b"x"), None, (None, None), ("/home/me/y", b"y")], ["0a", "1a", "2a", "3a"]),
    )
    hub = source(tmp_path)
    listed = hub.listings()["all"]
    assert [photo.path for photo in listed] == [
        "a.parquet/x",
        "a.parquet/00000001",
        "a.parquet/00000002",
        "a.parquet/home/me/y",
    ]
    for photo in listed[1:3]:
        with pytest.raises(UnusablePhotoError) as caught:
            hub.read(photo)
        assert caught.value.args[0] == "empty"
    assert hub.read(listed[3]) == b"y"


def test_listing_reads_no_photos_and_gives_their_mean_size(tmp_path):
    photos = [(f"{number}.jpg", bytes([number]) * 100_000) for number in range(1, 7)]
    write(tmp_path / "a.parquet", hub_table(photos, [f"{number}a" for number in range(6)]), **PLAIN)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    for number in range(1, 7):
        at = data.index(bytes([number]) * 100_000)
        data[at - 4 : at + 100_000] = b"\xff" * 100_004
    (tmp_path / "a.parquet").write_bytes(data)
    hub = source(tmp_path)
    listed = hub.listings()["all"]
    assert all(100_000 < photo.size_bytes < 101_000 for photo in listed)
    with pytest.raises(UnusablePhotoError) as caught:
        hub.read(listed[0])
    assert caught.value.args[0] == "unreadable"
    assert "\n" not in caught.value.args[1]


def test_neighbours_are_read_from_the_row_group_that_is_at_hand(tmp_path):
    photos = [(f"{number}", bytes([number]) * 100_000) for number in range(9)]
    write(tmp_path / "a.parquet", hub_table(photos, ["a"] * 9), **PLAIN)
    hub = source(tmp_path)
    listed = hub.listings()["all"]
    assert hub.read(listed[4])[:1] == b"\4"
    (tmp_path / "a.parquet").write_bytes(b"")
    assert [hub.read(photo)[:1] for photo in listed[3:6]] == [b"\3", b"\4", b"\5"]
    with pytest.raises(UnusablePhotoError, match="unreadable"):
        hub.read(listed[6])


def test_row_groups_kept_and_files_open_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.photos.sources.row_groups._CACHED_BYTES", 2500)
    monkeypatch.setattr("pipeline.photos.sources.row_groups._OPEN_TABLES", 2)
    for file in range(4):
        write(
            tmp_path / f"{file}.parquet",
            hub_table([(f"{n}", bytes([file, n]) * 150) for n in range(9)], ["a"] * 9),
        )
    hub = source(tmp_path)
    for photo in sorted(hub.listings()["all"], key=lambda photo: photo.path[::-1]):
        file, number = photo.path.split(".parquet/")
        assert hub.read(photo) == bytes([int(file), int(number)]) * 150
        assert len(hub._groups._tables) <= 2
        assert sum(group.nbytes for group in hub._groups._groups.values()) <= 2500
    assert len(hub._groups._groups) == 2


def test_row_groups_kept_in_a_folder_are_read_from_the_file_once_whoever_asks(tmp_path):
    photos = [(f"{number}", bytes([number]) * 100_000) for number in range(9)] + [("none", None)]
    write(tmp_path / "photos" / "a.parquet", hub_table(photos, ["a"] * 10), **PLAIN)
    hub = source(tmp_path / "photos").keeping_in(tmp_path / "kept")
    listed = sorted(hub.listings()["all"], key=lambda photo: photo.place)
    assert [hub.read(photo) for photo in listed[:9]] == [data for _, data in photos[:9]]
    with pytest.raises(UnusablePhotoError, match="empty"):
        hub.read(listed[9])
    assert all(path.suffix == ".arrow" for path in (tmp_path / "kept").iterdir())
    # The footer still says where rows are, but no photo is left to be read from there.
    whole = (tmp_path / "photos" / "a.parquet").read_bytes()
    footer_bytes = 8 + int.from_bytes(whole[-8:-4], "little")
    (tmp_path / "photos" / "a.parquet").write_bytes(bytes(len(whole) - footer_bytes) + whole[-footer_bytes:])
    again = pickle.loads(pickle.dumps(hub))
    assert [again.read(photo) for photo in listed[:9]] == [data for _, data in photos[:9]]
    with pytest.raises(UnusablePhotoError, match="unreadable"):
        source(tmp_path / "photos").read(listed[0])


def test_row_group_half_unpacked_elsewhere_is_left_to_who_unpacks_it(tmp_path):
    write(tmp_path / "photos" / "a.parquet", hub_table([("x", b"x")], ["a"]))
    hub = source(tmp_path / "photos").keeping_in(tmp_path / "kept")
    (photo,) = hub.listings()["all"]
    place = hub._groups._place(("a.parquet", 0))
    # Of a process on another node that has this one's number.
    theirs = place.with_name(f".{place.name}.{os.getpid()}")
    theirs.write_bytes(b"half")
    assert hub.read(photo) == b"x"
    assert theirs.read_bytes() == b"half"
    assert {path.name for path in place.parent.iterdir()} == {place.name, theirs.name}


def test_folder_that_cannot_keep_row_groups_is_no_fault_of_the_photos(tmp_path):
    write(tmp_path / "a.parquet", hub_table([("x", b"x")], ["a"]))
    (tmp_path / "kept").write_bytes(b"in the way")
    hub = source(tmp_path).keeping_in(tmp_path / "kept")
    with pytest.raises(OSError, match="kept"):
        hub.read(hub.listings()["all"][0])


def test_file_that_vanishes_makes_its_photos_unreadable(tmp_path):
    write(tmp_path / "a.parquet", hub_table([("x", b"x")], ["a"]))
    (photo,) = source(tmp_path).listings()["all"]
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(UnusablePhotoError, match="unreadable"):
        source(tmp_path).read(photo)


def test_photo_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.photos.sources.parquet.MAX_PHOTO_BYTES", 3)
    write(tmp_path / "a.parquet", hub_table([("x", b"1234")], ["a"]))
    hub = source(tmp_path)
    with pytest.raises(UnusablePhotoError, match="too_large: 4 bytes"):
        hub.read(hub.listings()["all"][0])


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({}, r"holds no \.parquet files"),
        (
            {"a": pa.table({"image": [b"x"], "class": [1]})},
            r"a\.parquet has the columns image \(binary\), class \(int64\)",
        ),
        ({"a": pa.table({"photo": [b"x"], "label": [1]})}, r"photo \(binary\).* it needs image"),
        ({"a": pa.table({"image": ["x"], "label": [1]})}, r"image \(string\)"),
        ({"a": pa.table({"image": [{"path": "x"}], "label": [1]})}, r"image \(struct"),
        ({"a": pa.table({"image": [b"x"], "label": [1.5]})}, r"label \(double\)"),
        ({"a": hub_table([b"x", b"y"], [0, -1])}, r"a\.parquet, row 1: the label is -1; leave out"),
        ({"a": hub_table([b"x"] * 5, [0, 1, 0, 0, None])}, r"a\.parquet, row 4: the label is None"),
        (
            {
                "a": hub_table([b"x"], [None]).cast(
                    pa.schema([("image", pa.binary()), ("label", pa.string()), ("caption", pa.string())])
                )
            },
            "row 0: the label is None",
        ),
        ({"a": hub_table([b"x"], [""])}, "row 0: the label '' cannot be printed"),
        ({"a": hub_table([b"x"], [0]).slice(0, 0)}, "holds no rows"),
        ({"a": hub_table([b"x"], [2], ["p", "q"])}, "names 2 classes, but there is a label 2"),
        (
            {"a": hub_table([b"x"], [0]), "b": hub_table([b"x"], ["p"])},
            "only one of them numbers its classes",
        ),
        (
            {"a": hub_table([b"x"], [0], ["p", "q"]), "b": hub_table([b"x"], [0], ["q", "p"])},
            "name their classes differently",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path, tables, problem):
    for name, table in tables.items():
        write(tmp_path / f"{name}.parquet", table)
    with pytest.raises(BadSourceError, match=problem) as caught:
        source(tmp_path).listings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_file_cut_short_is_refused(tmp_path, kept):
    write(tmp_path / "a.parquet", hub_table([("x", b"x")], ["a"]))
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:kept])
    with pytest.raises(BadSourceError, match=r"a\.parquet is no Parquet file, or damaged: .* fetch it again"):
        source(tmp_path).listings()


@pytest.mark.parametrize(
    "metadata", ["{", "[]", '{"info": null}', '{"info": {"features": {"label": {"names": [1]}}}}']
)
def test_metadata_without_names_is_passed_over(tmp_path, metadata):
    table = hub_table([("x", b"x")], [4]).replace_schema_metadata({"huggingface": metadata})
    write(tmp_path / "a.parquet", table)
    hub = source(tmp_path)
    assert hub.listings() == {
        "all": [Photo("a.parquet/x", "4", hub.listings()["all"][0].size_bytes, "a.parquet", 0)]
    }
    assert hub.class_names() == {}
