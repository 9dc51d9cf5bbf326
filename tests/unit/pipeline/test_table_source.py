"""Photos named by a CSV or JSON-lines table."""

from __future__ import annotations

import json
import pickle

import pytest

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.folder import FolderSource
from pipeline.photos.sources.table import TableSource


def write(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(f"bytes of {path}".encode())


def csv_source(folder, text, encoding="utf-8"):
    (folder / "table.csv").write_text(text, encoding)
    return TableSource(LocalFiles(folder), "table.csv")


def jsonl_source(folder, *entries):
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    (folder / "table.jsonl").write_text("\n".join(lines), "utf-8")
    return TableSource(LocalFiles(folder), "table.jsonl")


def classes(source):
    return {photo.path: photo.class_id for photo in source.listings()["all"]}


def test_tables_list_what_class_folders_do_and_in_the_same_order(tmp_path):
    paths = ["owl/2.jpg", "cat/10.png", "cat/9.jpg", "owl/1.jpeg", "dog/ä b.jpg"]
    write(tmp_path, *paths)
    folder = FolderSource(LocalFiles(tmp_path))
    expected = folder.listings()["all"]
    rows = "".join(f"ignored,{path.split('/')[0]},{path}\n" for path in paths)
    tables = [
        csv_source(tmp_path, f"size,label,path\n{rows}"),
        jsonl_source(tmp_path, *({"path": path, "label": path.split("/")[0], "more": [1]} for path in paths)),
    ]
    for table in tables:
        table = pickle.loads(pickle.dumps(table))
        assert table.listings() == {"all": expected}
        assert [table.read(photo) for photo in expected] == [folder.read(photo) for photo in expected]
        assert table.class_names() == {}


@pytest.mark.parametrize(
    "text", ["\ufeffpath,label\r\na.jpg,ä\r\n\r\n", '"path","label"\n"a.jpg","ä"', "path,label\n./a.jpg,ä\n"]
)
def test_csv_of_other_programs_is_read(tmp_path, text):
    write(tmp_path, "a.jpg")
    assert csv_source(tmp_path, text).listings() == {"all": [Photo("a.jpg", "ä", 14)]}


def test_quoted_fields_hold_commas_and_line_breaks(tmp_path):
    source = csv_source(tmp_path, 'path,label\n"a,b\n.jpg","x, y"\nc.jpg,z\n')
    assert classes(source) == {"a,b\n.jpg": "x, y", "c.jpg": "z"}


def test_whole_numbers_number_the_classes(tmp_path):
    assert classes(csv_source(tmp_path, "path,label\na,0\nb,10\nc,007\n")) == {
        "a": "00",
        "b": "10",
        "c": "07",
    }
    numbered = [{"path": "a", "label": 3}, {"path": "b", "label": 100}]
    assert classes(jsonl_source(tmp_path, *numbered)) == {"a": "003", "b": "100"}


def test_labels_that_are_not_all_numbers_are_taken_as_they_stand(tmp_path):
    assert classes(csv_source(tmp_path, "path,label\na,0\nb,10\nc,x\n")) == {"a": "0", "b": "10", "c": "x"}
    mixed = [{"path": "a", "label": 3}, {"path": "b", "label": "100"}]
    assert classes(jsonl_source(tmp_path, *mixed)) == {"a": "3", "b": "100"}


def test_photo_outside_the_folder_stays_listed_and_is_never_read(tmp_path):
    write(tmp_path, "secret.jpg", "set/in.jpg", "set/deep/in.jpg")
    paths = {
        f"{tmp_path}/set/in.jpg": b"bytes of set/in.jpg",
        "deep/../deep/in.jpg": b"bytes of set/deep/in.jpg",
        "../secret.jpg": "outside_source",
        "deep/../../second.jpg": "outside_source",
        "..": "outside_source",
        f"{tmp_path}/secret.jpg": "outside_source",
        f"{tmp_path}/set/../third.jpg": "outside_source",
        "/absent/whatever.jpg": "outside_source",
        "//secret.jpg": "outside_source",
        "s3://bucket/secret.jpg": "outside_source",
        "absent.jpg": "unreadable",
        "deep": "not_a_file",
        "nul\0.jpg": "unreadable",
    }
    source = jsonl_source(
        tmp_path / "set", *({"path": path, "label": f"{number:02d}x"} for number, path in enumerate(paths))
    )
    outcomes = []
    listed = source.listings()["all"]
    for photo in listed:
        try:
            outcomes.append(source.read(photo))
        except UnusablePhotoError as error:
            outcomes.append(error.args[0])
    assert outcomes == list(paths.values())
    assert [photo.size_bytes for photo in listed] == [19, 24] + [0] * (len(paths) - 2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: 0 columns are named path"),
        ("file,label\na,b\n", "line 1: 0 columns are named path, of .*'file'"),
        ("path,class\na,b\n", "line 1: 0 columns are named label"),
        ("path,label,path\na,b,c\n", "line 1: 2 columns are named path"),
        ("path,label\n", "lists no photos"),
        ("path,label\na,x\nb\n", "line 3: 1 fields, but 2 columns"),
        ("path,label\na,b,x\n", "line 2: 3 fields, but 2 columns"),
        ("path,label\n\na,\n", "line 3: the label '' is empty"),
        ("path,label\n,x\n", "line 2: the path '' is empty"),
        ("path,label\na,x\nb,x\n./a,y\n", "line 4: './a' is also on line 2"),
        ("path,label\na,\a\n", "line 2: the label .* is empty or cannot be printed"),
        ("path,label\na,0\nb,-1\n", "line 3: the label -1 is no class"),
        ('path,label\n"a"b,x\n', "line 2: "),
        ("path,label\na,\0\n", "line 2: "),
    ],
)
def test_csv_that_is_wrong_is_refused_with_its_line(tmp_path, text, problem):
    with pytest.raises(BadSourceError, match=rf"table\.csv.*{problem}") as caught:
        csv_source(tmp_path, text).listings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "lists no photos"),
        ([" ", ""], "lists no photos"),
        ([{"path": "a", "label": "x"}, "path,label"], "line 2: no JSON"),
        (["[" * 100_000], "line 1: no JSON"),
        (["[1]"], "line 1: no object"),
        ([{"label": "x"}], "line 1: path has to be a string"),
        ([{"path": "a"}], "line 1: path has to be"),
        ([{"path": 1, "label": "x"}], "line 1: path has to be"),
        ([{"path": "a", "label": None}], "line 1: path has to be"),
        ([{"path": "a", "label": True}], "line 1: path has to be"),
        ([{"path": "a", "label": 1.5}], "line 1: path has to be"),
        ([{"path": "a", "label": ""}], "line 1: the label '' is empty"),
        ([{"path": "", "label": "x"}], "line 1: the path '' is empty"),
        ([{"path": "a", "label": -1}], "line 1: the label -1 is no class"),
        (['{"path": "\\ud800", "label": "x"}'], "line 1: the path .* is empty or no Unicode"),
        ([{"path": "a", "label": "x"}, "", {"path": "a", "label": "y"}], "line 3: 'a' is also on line 1"),
    ],
)
def test_jsonl_that_is_wrong_is_refused_with_its_line(tmp_path, lines, problem):
    with pytest.raises(BadSourceError, match=rf"table\.jsonl.*{problem}") as caught:
        jsonl_source(tmp_path, *lines).listings()
    assert "\n" not in str(caught.value)


def test_other_encodings_and_other_endings_are_refused(tmp_path):
    with pytest.raises(BadSourceError, match=r"table\.csv is not UTF-8"):
        csv_source(tmp_path, "path,label\na,ä\n", "latin-1").listings()
    (tmp_path / "table.tsv").write_text("path\tlabel\na\tx\n")
    with pytest.raises(BadSourceError, match=r"table\.tsv is no table known here: give a \.csv or a \.jsonl"):
        TableSource(LocalFiles(tmp_path), "table.tsv").listings()
    with pytest.raises(BadSourceError, match=r"absent\.csv cannot be read"):
        TableSource(LocalFiles(tmp_path), "absent.csv").listings()
