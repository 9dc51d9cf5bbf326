"""Photos in Google's object storage, of which a fake in another process speaks as much as is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.errors import BadSourceError, SourceLostError, UnusablePhotoError
from pipeline.photos.files import File
from pipeline.photos.remote_files import RemoteFiles
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.folder import FolderSource
from pipeline.storage import client

# In a process of its own: Arrow waits for Google's client without letting other threads of Python run.
FAKE = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

OBJECTS = {"set/a/1.jpg": b"first", "set/b/c/2 +%20.jpg": b"second", "set/b/": b"", "set/.hidden/3.jpg": b"x"}

class Storage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        bucket, _, key = url.path.removeprefix("/storage/v1/b/").partition("/o")
        key = unquote(key[1:])
        if bucket != "photos" or (key and key not in OBJECTS):
            self.answer(404, {"error": {"code": 404, "message": "Not Found"}})
        elif not key:
            self.answer(200, listing(query.get("prefix", ""), query.get("delimiter")))
        elif query.get("alt") == "media":
            self.send(OBJECTS[key])
        else:
            self.answer(200, entry(key))

    def send(self, data):
        size, ranged = len(data), self.headers.get("Range")
        first, _, last = (ranged or "bytes=0-").removeprefix("bytes=").partition("-")
        data = data[int(first) : int(last or size) + 1]
        headers = {"Content-Range": f"bytes {first}-{int(first) + len(data) - 1}/{size}"} if ranged else {}
        self.answer(206 if ranged else 200, data, headers | {"x-goog-generation": "1"})

    def answer(self, status, body, headers={}):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

def entry(key):
    return {"name": key, "bucket": "photos", "size": str(len(OBJECTS[key])), "generation": "1"}

def listing(prefix, delimiter):
    keys = [key for key in OBJECTS if key.startswith(prefix)]
    if not delimiter:
        return {"items": [entry(key) for key in keys]}
    below = {key: delimiter in key[len(prefix) :] for key in keys}
    prefixes = {prefix + key[len(prefix) :].split(delimiter)[0] + delimiter for key in keys if below[key]}
    return {"items": [entry(key) for key in keys if not below[key]], "prefixes": sorted(prefixes)}

server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def storage(monkeypatch):
    """The process of a server with the bucket `photos`."""
    with subprocess.Popen([sys.executable, "-c", FAKE], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", f"http://127.0.0.1:{port}")
            yield server
        finally:
            server.kill()


def test_folders_and_photos_are_found_and_read(storage):
    files = RemoteFiles("gs://photos/set")
    assert files.is_folder()
    assert files.is_file("a/1.jpg")
    assert not files.is_folder("absent")
    assert files.folders() == ["a", "b"]
    assert (files.folders("a"), files.folders("b"), files.folders("b/c")) == ([], ["c"], [])
    assert files.files("a") == [File("a/1.jpg", 5)]
    source = FolderSource(files)
    listed = source.listings()["all"]
    assert listed == [Photo("a/1.jpg", "a", 5), Photo("b/c/2 +%20.jpg", "b", 6)]
    assert [source.read(photo) for photo in listed] == [b"first", b"second"]
    assert files.read_range("a/1.jpg", 1, 3) == b"irs"
    with files.open("a/1.jpg") as opened:
        assert (opened.seek(2), opened.read()) == (2, b"rst")


def test_what_is_not_there_is_said_to_be_missing(storage):
    with pytest.raises(UnusablePhotoError, match="unreadable: no such object"):
        RemoteFiles("gs://photos/set").read("absent.jpg")
    for url in ("gs://photos/absent", "gs://absent/set"):
        with pytest.raises(BadSourceError, match=f"^{url} does not exist: check the bucket and the prefix$"):
            RemoteFiles(url).folders()


def test_storage_that_is_gone_is_lost_and_no_fault_of_a_photo(storage, monkeypatch):
    monkeypatch.setitem(client._OPTIONS, "gs", "?retry_limit_seconds=1")
    files = RemoteFiles("gs://photos/set")
    assert files.read("a/1.jpg") == b"first"
    storage.kill()
    storage.wait()
    with pytest.raises(SourceLostError, match=r"^gs://photos/set/a/1\.jpg cannot be reached"):
        files.read("a/1.jpg")
