"""What is deleted is out of sight at once, and its objects go with it, or with the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from object_server import BUCKET, ObjectServer, object_server
from structlog.testing import capture_logs

from pipeline.storage.moving import store_files
from service.store.trash import discard


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with object_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def folder_with_objects(parent: Path, name: str) -> Path:
    folder = parent / name
    (folder / "inner").mkdir(parents=True)
    weights = parent / "weights"
    weights.write_bytes(b"weights")
    for each in (folder, folder / "inner"):
        store_files(each, {"weights": weights}, f"s3://{BUCKET}/{name}")
    return folder


def test_a_folder_goes_with_the_objects_of_all_that_is_in_it(store: ObjectServer, tmp_path: Path) -> None:
    kept, doomed = (folder_with_objects(tmp_path / "all", name) for name in ("kept", "doomed"))
    assert len(store.object_keys()) == 4
    discard(doomed)
    assert [path.name for path in (tmp_path / "all").iterdir() if path.is_dir()] == [kept.name]
    assert [key.partition(".")[0] for key in store.object_keys()] == ["kept", "kept"]


def test_of_a_link_the_link_alone_goes(store: ObjectServer, tmp_path: Path) -> None:
    folder = folder_with_objects(tmp_path, "led-to")
    link = tmp_path / "link"
    link.symlink_to(folder)
    discard(link)
    assert not link.is_symlink()
    assert len(store.object_keys()) == 2


def test_while_storage_is_away_it_is_hidden_and_its_objects_go_with_the_next(
    store: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (folder_with_objects(tmp_path, name) for name in ("first", "second"))
    with monkeypatch.context() as away, capture_logs() as told:
        away.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        discard(first)
    assert [line["event"] for line in told] == ["objects_left"]
    assert "check the network and AWS_ENDPOINT_URL" in told[0]["detail"]
    assert not first.exists()
    assert len(store.object_keys()) == 4
    discard(second)
    assert store.object_keys() == []
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
