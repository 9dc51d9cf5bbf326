"""Photos in object storage, read from an S3 server on this machine."""

from __future__ import annotations

import io
import json
import logging
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor

import boto3
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from pipeline.config import SourceConfig
from pipeline.errors import BadSourceError, SourceLostError, UnusablePhotoError
from pipeline.photos.files import File
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.open_files import open_files, parent_and_name
from pipeline.photos.remote_files import RemoteFiles
from pipeline.photos.remote_reader import RemoteReader
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.detect import open_source
from pipeline.photos.sources.folder import FolderSource

OBJECTS = {
    "set/a/1.jpg": b"first photo",
    "set/a/deep/er/2 +%20é?#&.jpg": b"second",
    "set/b/3.jpg": b"third",
    "set/b/": b"",
    "set/empty/": b"",
    "set/.hidden/4.jpg": b"hidden",
    "set/b/.DS_Store": b"hidden",
    "set/top.txt": b"at the top",
    "setting/5.jpg": b"in another prefix",
}


@pytest.fixture
def storage(monkeypatch):
    """An S3 server with the bucket `photos`, and a client of it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    # What it stores is the process's, and outlives the server.
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    client = boto3.client("s3")
    client.create_bucket(Bucket="photos")
    for key, body in OBJECTS.items():
        client.put_object(Bucket="photos", Key=key, Body=body)
    yield Storage(server, client)
    server.stop()


class Storage:
    def __init__(self, server, client):
        self.stop = server.stop
        self.client = client

    def put(self, key, body):
        self.client.put_object(Bucket="photos", Key=key, Body=body)


def test_listing_is_that_of_a_folder_with_the_same_files(storage, tmp_path):
    for key, body in OBJECTS.items():
        path = tmp_path / key
        (path if key.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not key.endswith("/"):
            path.write_bytes(body)
    remote, local = RemoteFiles("s3://photos/set"), LocalFiles(tmp_path / "set")
    for folder in ("", "a", "b", "a/deep"):
        assert remote.folders(folder) == local.folders(folder)
        assert remote.files(folder) == local.files(folder)
        assert sorted(remote.files_below(folder)) == sorted(local.files_below(folder))
    assert remote.files() == [File("top.txt", 10)]
    assert FolderSource(remote).files.is_folder("a")
    for path in ("", "a", "a/1.jpg", "absent", "top.txt", "top.txt/x"):
        assert remote.is_folder(path) == local.is_folder(path)
        assert remote.is_file(path) == local.is_file(path)
    for file in remote.files_below():
        assert remote.read(file.path) == local.read(file.path)


def test_root_may_be_a_bucket_and_end_in_a_slash(storage):
    assert RemoteFiles("s3://photos/").folders() == ["set", "setting"]
    assert RemoteFiles("s3://photos/set/") == RemoteFiles("s3://photos/set")
    assert RemoteFiles("s3://photos").read("set/b/3.jpg") == b"third"


def test_folder_of_class_folders_is_a_source(storage):
    storage.client.delete_object(Bucket="photos", Key="set/empty/")
    source = pickle.loads(pickle.dumps(FolderSource(RemoteFiles("s3://photos/set"))))
    listed = source.listings()["all"]
    assert listed == [
        Photo("a/1.jpg", "a", 11),
        Photo("a/deep/er/2 +%20é?#&.jpg", "a", 6),
        Photo("b/3.jpg", "b", 5),
    ]
    assert [source.read(photo) for photo in listed] == [b"first photo", b"second", b"third"]


def test_pickle_holds_the_url_and_no_credentials(storage):
    files = RemoteFiles("s3://photos/set")
    files.read("a/1.jpg")
    assert b"testing" not in pickle.dumps(files)
    assert pickle.loads(pickle.dumps(files)).read("a/1.jpg") == b"first photo"


def test_keys_with_two_slashes_are_listed_and_refused_when_read(storage):
    storage.put("odd/a//1.jpg", b"x")
    files = RemoteFiles("s3://photos/odd")
    assert (files.folders(), files.folders("a")) == (["a"], [])
    (file,) = files.files_below()
    with pytest.raises(UnusablePhotoError, match="unreadable"):
        files.read(file.path)


def test_ranges_are_exact_and_never_short(storage):
    files = RemoteFiles("s3://photos/set")
    assert files.read_range("a/1.jpg", 6, 5) == b"photo"
    for start, size in ((7, 5), (100, 1)):
        with pytest.raises(UnusablePhotoError) as caught:
            files.read_range("a/1.jpg", start, size)
        assert caught.value.args[0] == "unreadable"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent.jpg", "unreadable"),
        ("a", "unreadable"),
        ("../setting/5.jpg", "outside_source"),
        ("a/../../setting/5.jpg", "outside_source"),
        ("/setting/5.jpg", "outside_source"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_reason(storage, path, reason):
    files = RemoteFiles("s3://photos/set")
    with pytest.raises(UnusablePhotoError) as caught:
        files.read(path)
    assert caught.value.args[0] == reason
    with pytest.raises(BadSourceError, match="cannot be read"):
        files.open(path)


def test_object_too_large_for_a_photo_is_not_fetched(storage, monkeypatch):
    monkeypatch.setattr("pipeline.photos.remote_files.MAX_PHOTO_BYTES", 10)
    files = RemoteFiles("s3://photos/set")
    monkeypatch.setattr(RemoteFiles, "_fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UnusablePhotoError, match="too_large: 11 bytes"):
        files.read("a/1.jpg")


@pytest.mark.parametrize(
    ("url", "place"),
    [("s3://absent-bucket/set", "s3://absent-bucket/set"), ("s3://photos/absent", "s3://photos/absent")],
)
def test_absent_bucket_or_prefix_is_said_in_one_line(storage, url, place):
    files = RemoteFiles(url)
    assert not files.is_folder()
    with pytest.raises(BadSourceError, match=f"^{place} does not exist: check") as caught:
        list(files.files_below())
    assert "\n" not in str(caught.value)


def test_storage_that_is_gone_is_lost_and_no_fault_of_a_photo(storage):
    files = RemoteFiles("s3://photos/set")
    with files.open("a/1.jpg") as opened:
        storage.stop()
        # Each gives up after seconds only.
        with ThreadPoolExecutor(3) as threads:
            read, stepped = threads.submit(files.read, "a/1.jpg"), threads.submit(opened.read, 1)
            listed = threads.submit(files.folders)
        for lost in (read, stepped):
            with pytest.raises(
                SourceLostError, match=r"^s3://photos/set/a/1\.jpg cannot be reached: .*AWS_ENDPOINT_URL"
            ):
                lost.result()
        with pytest.raises(BadSourceError, match=r"^s3://photos/set cannot be reached") as caught:
            listed.result()
        assert "\n" not in str(caught.value)


def test_storage_that_does_not_know_the_credentials_says_so(storage, monkeypatch):
    # From here on, the server checks who asks.
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    files = RemoteFiles("s3://photos/set")
    with pytest.raises(SourceLostError, match="may not be read: check the credentials"):
        files.read("a/1.jpg")
    with pytest.raises(BadSourceError, match="may not be read: check the credentials"):
        files.folders()


@pytest.mark.parametrize(
    "url",
    [
        "http://host/photos",
        "https://host/photos",
        "file:///photos",
        "s3a://bucket/photos",
        "S3://bucket/photos",
        "zip://x::s3://bucket/photos",
        "s3://",
        "s3:///photos",
        "s3://bucket/a/../b",
        "s3://bucket/a//b",
        "s3://bucket?endpoint_override=elsewhere",
        "s3://key:secret@bucket/photos",
    ],
)
def test_other_urls_are_refused_without_giving_secrets_away(url):
    with pytest.raises(BadSourceError, match="s3://bucket/prefix or gs://bucket/prefix") as caught:
        open_files(url)
    assert "secret" not in str(caught.value)


def test_question_mark_in_a_prefix_is_a_letter(storage):
    storage.put("what?endpoint_override=x/1.jpg", b"x")
    assert RemoteFiles("s3://photos/what?endpoint_override=x").read("1.jpg") == b"x"


def test_tar_is_walked_with_seeks_and_with_few_requests(storage, monkeypatch):
    fetch = RemoteFiles._fetch
    buffer = io.BytesIO()
    contents = {f"{number:03d}.jpg": bytes([number]) * 30_000 for number in range(100)}
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    storage.put("set/all.tar", buffer.getvalue())
    files = RemoteFiles("s3://photos/set")
    fetches = []
    monkeypatch.setattr(RemoteFiles, "_fetch", lambda *asked: fetches.append(asked) or fetch(*asked))
    with files.open("all.tar") as opened, tarfile.open(fileobj=opened, mode="r:") as tar:
        members = {member.name: (member.offset_data, member.size) for member in tar}
    assert len(fetches) == 1
    assert {name: files.read_range("all.tar", *place) for name, place in members.items()} == contents


def test_every_form_gives_the_same_photos_from_storage_as_from_here(storage, tmp_path):
    contents = {
        f"{class_id}/{number}.jpg": f"{class_id}{number}".encode() * 50
        for class_id in "ab"
        for number in "12"
    }
    write_every_form(tmp_path, contents)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            storage.put(f"forms/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())
    for form in (
        "folder",
        "folder/table.csv",
        "tables/table.jsonl",
        "tars",
        "tars/0.tar",
        "parquet",
        "parquet/0.parquet",
    ):
        local = open_source(SourceConfig(path=str(tmp_path / form)))
        remote = pickle.loads(pickle.dumps(open_source(SourceConfig(path=f"s3://photos/forms/{form}"))))
        assert remote.location == f"s3://photos/forms/{form}"
        assert remote.type == local.type
        listings = remote.listings()
        assert listings == local.listings()
        assert [remote.read(photo) for photo in listings["all"]] == list(contents.values())


def write_every_form(folder, contents):
    for below in ("folder", "tables"):
        for path, content in contents.items():
            (folder / below / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / below / path).write_bytes(content)
    rows = "".join(f"{path},{path[0]}\n" for path in contents)
    (folder / "folder" / "table.csv").write_text(f"path,label\n{rows}")
    lines = "".join(json.dumps({"path": path, "label": path[0]}) + "\n" for path in contents)
    (folder / "tables" / "table.jsonl").write_text(lines)
    (folder / "tars").mkdir()
    with tarfile.open(folder / "tars" / "0.tar", "w") as tar:
        for path, content in contents.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (folder / "parquet").mkdir()
    images = [{"bytes": content, "path": path} for path, content in contents.items()]
    table = pa.table({"image": images, "label": [path[0] for path in contents]})
    pq.write_table(table, folder / "parquet" / "0.parquet", row_group_size=2)


def test_storage_that_goes_while_a_parquet_file_is_read_is_lost(storage, tmp_path):
    write_every_form(tmp_path, {"a/1.jpg": b"x"})
    storage.put("set/0.parquet", (tmp_path / "parquet" / "0.parquet").read_bytes())
    source = open_source(SourceConfig(path="s3://photos/set/0.parquet"))
    (photo,) = source.listings()["all"]
    storage.stop()
    with pytest.raises(SourceLostError, match="cannot be reached"):
        source.read(photo)


class Fetches:
    """Bytes that remember which ranges of them were asked for."""

    def __init__(self, data):
        self.data = data
        self.asked = []

    def __call__(self, start, size):
        assert start + size <= len(self.data)
        self.asked.append((start, size))
        return self.data[start : start + size]


def test_reader_gives_the_same_bytes_as_a_file():
    data = bytes(range(256)) * 100_000
    fetches = Fetches(data)
    reader, file = RemoteReader(fetches, len(data)), io.BytesIO(data)
    steps = [
        (0, 0, 10),
        (0, 1, 70_000),
        (-7, 2, 100),
        (5_000_000, 0, 9_000_000),
        (-20, 1, 40),
        (99, 2, 5),
        (3, 0, -1),
    ]
    for offset, whence, size in steps:
        assert reader.seek(offset, whence) == file.seek(offset, whence)
        assert reader.read(size) == file.read(size)
        assert reader.tell() == file.tell()
    with pytest.raises(ValueError, match="seek"):
        reader.seek(-1)


def test_reader_reads_ahead_for_small_steps_and_not_for_jumps():
    data = bytes(64 * 2**20)
    stepping = Fetches(data)
    reader = RemoteReader(stepping, len(data))
    for start in range(0, len(data), 100_000):
        reader.seek(start)
        assert len(reader.read(512)) == 512
    assert len(stepping.asked) <= 9
    jumping = Fetches(data)
    reader = RemoteReader(jumping, len(data))
    for start in range(len(data) - 512, 0, -(8 * 2**20)):
        reader.seek(start)
        reader.read(512)
    assert sum(size for _, size in jumping.asked) < 2**20


@pytest.mark.parametrize(
    ("location", "parent", "name"),
    [
        ("s3://bucket/a/b.csv", "s3://bucket/a", "b.csv"),
        ("s3://bucket/b.csv", "s3://bucket", "b.csv"),
        ("gs://bucket/a/", "gs://bucket", "a"),
        ("s3://bucket", "s3://bucket", ""),
        ("/a/b.csv", "/a", "b.csv"),
        ("/", "/", ""),
    ],
)
def test_parent_and_name(location, parent, name):
    assert parent_and_name(location) == (parent, name)
