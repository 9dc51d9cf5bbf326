"""The training photos nearest to a photo: indexed as a job after publishing, and asked for over HTTP."""

from __future__ import annotations

import base64
import io
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

from model.classifier import Classifier
from model.photo_index import Neighbour, PhotoIndex
from pipeline.batches.loader import ShardLoader
from pipeline.errors import BadDatasetError
from pipeline.photos.thumbnail import SIDE
from service.domain.indexing import IndexOrder
from service.domain.job import Job
from service.domain.state import JobState
from service.errors import ConflictError, NotFoundError
from service.operations.indexing import IndexOperations
from service.operations.models import ModelOperations
from service.serving.app import create_app
from service.serving.batcher import BatchLimits
from service.settings import Settings
from service.store.jobs import JobStore
from service.store.models import ModelStore
from service.training.index_job import build
from service.training.progress import LineFile

Paint = Callable[..., bytes]
Post = Callable[..., httpx.Response]
ANSWER_SECONDS = 60


@pytest.fixture
def published(models: ModelOperations, store: ModelStore, run: Job) -> Classifier:
    models.publish("colours", run)
    return Classifier.load(store.folder("colours", 1))


def work_off(jobs: JobStore) -> None:
    """Does what Ray would do with the jobs that wait."""
    for job in jobs.active():
        assert job.kind == "index"
        order = IndexOrder.model_validate_json(job.work.specification.read_bytes())
        lines = LineFile(job.work.progress)
        build(order, lines)
        lines.close()
        with jobs.editing(job.id) as edit:
            edit.move_to(JobState.SUCCEEDED)


def jpeg(photo_SS3: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo_SS3).save(file, "PNG")
    return file.getvalue()


def test_a_published_version_is_indexed_and_answers_what_a_comparison_with_all_does(
    published: Classifier, jobs: JobStore, indexes: IndexOperations, post: Post, dataset: Path
) -> None:
    assert indexes.get("colours", 1).state is JobState.QUEUED
    early = post("/api/v1/similar", content=b"")
    assert (early.status_code, early.json()["code"]) == (409, "not_indexed")
    assert "/api/v1/models/colours/versions/1/index" in early.json()["detail"]
    work_off(jobs)
    assert indexes.get("colours", 1).state is JobState.SUCCEEDED

    loader = ShardLoader(dataset, "train", batch_size=1)
    photos, labels, sample_ids = (
        np.concatenate(each) for each in zip(*(map(np.asarray, b) for b in loader), strict=True)
    )
    embeddings = published.embeddings(photos)
    for place, photo in enumerate(photos):
        answer = post("/api/v1/similar", content=jpeg(photo), params={"top_k": 3})
        assert answer.status_code == 200, answer.text
        (found,) = answer.json()["photos"]
        distances = np.linalg.norm(embeddings - embeddings[place], axis=1)
        nearest = np.argsort(distances)[:3]
        assert [each["sample_id"] for each in found["nearest"]] == sample_ids[nearest].tolist()
        assert [each["index"] for each in found["nearest"]] == labels[nearest].tolist()
        assert [each["distance"] for each in found["nearest"]] == pytest.approx(
            distances[nearest].tolist(), rel=5e-3, abs=2e-2
        )
        assert found["nearest"][0]["label"] == published.published.labels[labels[place]].name
        with Image.open(io.BytesIO(base64.b64decode(found["nearest"][0]["thumbnail"]["b64"]))) as shown:
            size = min(SIDE, len(photo))
            assert (shown.format, shown.size) == ("JPEG", (size, size))
            small = Image.fromarray(photo).resize((size, size), Image.Resampling.BILINEAR)
            assert np.abs(np.asarray(shown).astype(int) - np.asarray(small)).mean() < 6


def test_who_searches_holds_a_place_has_a_limit_and_keeps_no_model_from_loading(
    published: Classifier,
    jobs: JobStore,
    models: ModelOperations,
    other_run: Job,
    settings: Settings,
    serve: Callable[[FastAPI], AbstractContextManager[str]],
    photo: Paint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work_off(jobs)
    may_go_on = threading.Event()

    def slow(index: PhotoIndex, embedding_F: np.ndarray, count: int) -> list[Neighbour]:
        assert may_go_on.wait(ANSWER_SECONDS)
        return []

    monkeypatch.setattr(PhotoIndex, "nearest", slow)
    hurried = settings.model_copy(update={"request_seconds": 1})
    with serve(create_app(hurried, BatchLimits(photos_waiting=20))) as url, ThreadPoolExecutor(10) as aside:
        similar = f"{url}/api/v1/similar"
        asked = [
            aside.submit(httpx.post, similar, content=photo(1), timeout=ANSWER_SECONDS) for _ in range(10)
        ]
        late = [each.result(ANSWER_SECONDS) for each in asked]
        assert {(each.status_code, each.json()["code"]) for each in late} == {(503, "answer_too_late")}
        # Their searches are still at work.
        models.publish("colours", other_run)
        load = f"{url}/internal/models/colours/versions/2/load"
        assert httpx.post(load, timeout=ANSWER_SECONDS).status_code == 204
        may_go_on.set()
        first = f"{url}/api/v1/models/colours/versions/1/similar"
        answer = httpx.post(first, content=photo(1), timeout=ANSWER_SECONDS)
        assert answer.json()["photos"] == [{"nearest": []}]
        assert "tandem_photos_waiting 0.0" in httpx.get(f"{url}/metrics").text


def test_a_distance_that_is_no_number_is_an_error(
    published: Classifier, jobs: JobStore, post: Post, photo: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_off(jobs)
    far = Neighbour(sample_id=1, label=0, distance=math.inf, thumbnail=b"")
    monkeypatch.setattr(PhotoIndex, "nearest", lambda *_: [far])
    answer = post("/api/v1/similar", content=photo(1))
    assert (answer.status_code, answer.json()["code"]) == (500, "answer_not_finite")


def test_six_are_shown_unless_asked_otherwise_and_many_photos_keep_their_order(
    published: Classifier, jobs: JobStore, post: Post, photo: Paint
) -> None:
    work_off(jobs)
    form = [("file", ("photo", photo(seed), "image/jpeg")) for seed in (3, 4)]
    both = post("/api/v1/models/colours/versions/production/similar", files=form).json()
    assert [len(each["nearest"]) for each in both["photos"]] == [6, 6]
    alone = [post("/api/v1/similar", content=photo(seed)).json()["photos"][0] for seed in (3, 4)]
    for together, single in zip(both["photos"], alone, strict=True):
        # A batch of two is rounded otherwise than a batch of one.
        assert [each["sample_id"] for each in together["nearest"]] == [
            each["sample_id"] for each in single["nearest"]
        ]
    refused = post("/api/v1/similar", content=photo(3), params={"top_k": 101})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_what_is_being_indexed_is_not_begun_again_and_what_failed_is(
    published: Classifier, jobs: JobStore, indexes: IndexOperations
) -> None:
    (job,) = jobs.active()
    assert indexes.begin("colours", 1).job == job
    with jobs.editing(job.id) as edit:
        edit.move_to(JobState.INTERRUPTED, "the head was lost")
    assert indexes.get("colours", 1).state is JobState.INTERRUPTED
    assert indexes.begin("colours", 1).state is JobState.QUEUED
    work_off(jobs)
    assert indexes.begin("colours", 1).state is JobState.SUCCEEDED
    assert jobs.active() == []
    with pytest.raises(NotFoundError):
        indexes.begin("colours", 2)


def test_an_index_can_be_removed_and_its_building_be_ended(
    published: Classifier, jobs: JobStore, indexes: IndexOperations, post: Post, photo: Paint
) -> None:
    indexes.remove("colours", 1)
    assert jobs.active() == []
    assert indexes.get("colours", 1).state is JobState.STOPPED
    indexes.begin("colours", 1)
    work_off(jobs)
    assert post("/api/v1/similar", content=photo(1)).status_code == 200
    indexes.remove("colours", 1)
    with pytest.raises(NotFoundError):
        indexes.get("colours", 1)
    assert post("/api/v1/similar", content=photo(1)).json()["code"] == "not_indexed"


def test_without_the_dataset_a_version_is_published_all_the_same_and_says_why_it_has_no_index(
    models: ModelOperations, indexes: IndexOperations, settings: Settings, run: Job
) -> None:
    (settings.datasets / "colours").unlink()
    models.publish("colours", run)
    with pytest.raises(NotFoundError, match="POST /api/v1/models/colours/versions/1/index"):
        indexes.get("colours", 1)
    with pytest.raises(ConflictError, match="'colours' is not there any more"):
        indexes.begin("colours", 1)


def test_another_dataset_of_that_name_is_not_indexed(
    published: Classifier, jobs: JobStore, tmp_path: Path, store: ModelStore
) -> None:
    (job,) = jobs.active()
    order = IndexOrder.model_validate_json(job.work.specification.read_bytes())
    with pytest.raises(BadDatasetError, match="not the dataset that the model was trained on"):
        build(order.model_copy(update={"dataset_checksum": "0" * 32}), LineFile(tmp_path / "lines"))
    assert not (store.folder("colours", 1) / "neighbours").exists()


def test_a_damaged_index_fails_what_is_asked_of_it_alone(
    published: Classifier, jobs: JobStore, store: ModelStore, post: Post, photo: Paint
) -> None:
    work_off(jobs)
    (store.folder("colours", 1) / "neighbours" / "thumbnails.bin").write_bytes(b"rust")
    response = post("/api/v1/similar", content=photo(1))
    assert (response.status_code, response.json()["code"]) == (500, "bad_index")
    assert post("/api/v1/classify", content=photo(1)).status_code == 200
