"""Whether object storage can be used is tried by one caller at a time, and what was found is kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline import errors
from service.errors import StorageUnavailableError
from service.store import object_storage
from service.store.object_storage import ObjectStorage


def test_who_asks_while_storage_is_tried_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request that waited would hold one of the server's threads."""
    begun, over = threading.Event(), threading.Event()

    def slow(_: str) -> None:
        begun.set()
        over.wait()

    monkeypatch.setattr(object_storage, "try_storage", slow)
    storage = ObjectStorage("s3://bucket")
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(storage.require)
        begun.wait()
        with pytest.raises(StorageUnavailableError, match="tried for the first time"):
            storage.require()
        over.set()
        first.result()
    storage.require()


def test_what_failed_is_not_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fail(url: str) -> None:
        tried.append(url)
        raise errors.StorageUnavailableError("no way in")

    monkeypatch.setattr(object_storage, "try_storage", fail)
    storage = ObjectStorage("s3://bucket")
    for _ in range(3):
        with pytest.raises(StorageUnavailableError, match="no way in"):
            storage.require()
    assert len(tried) == 1
