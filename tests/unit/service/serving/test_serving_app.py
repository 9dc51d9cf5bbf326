"""The serving process over real HTTP: right answers in every form of asking, clear refusals of the rest."""

from __future__ import annotations

import base64
import gc
import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import ExifTags, Image

from model.classifier import Classifier
from service.domain.job import Job
from service.errors import StackError
from service.operations.models import ModelOperations
from service.serving.app import create_app
from service.serving.asked_photo import AskedPhoto
from service.serving.batcher import BatchLimits
from service.settings import Settings
from service.store.models import ModelStore

Paint = Callable[..., bytes]
Post = Callable[..., httpx.Response]


@pytest.fixture
def published(models: ModelOperations, store: ModelStore, run: Job) -> Classifier:
    """Version 1 of `colours`, in production, loaded here as well: what it says is what HTTP must say."""
    models.publish("colours", run)
    return Classifier.load(store.folder("colours", 1))


def files(*photos: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("file", ("photo", data, "application/octet-stream")) for data in photos]


def instances(*photos: bytes) -> dict[str, Any]:
    return {"instances": [{"b64": base64.b64encode(data).decode()} for data in photos]}


def assert_says(response: httpx.Response, classifier: Classifier, *photos: bytes, **options: int) -> None:
    """The answer is what the classifier says of each photo alone."""
    assert response.status_code == 200, response.text
    found = response.json()["predictions"]
    assert len(found) == len(photos)
    for prediction, data in zip(found, photos, strict=True):
        expected = classifier.classify(data, **options)
        assert [entry["index"] for entry in prediction["top_k"]] == [entry.index for entry in expected]
        assert [entry["id"] for entry in prediction["top_k"]] == [entry.id for entry in expected]
        assert [entry["label"] for entry in prediction["top_k"]] == [entry.label for entry in expected]
        assert [entry["probability"] for entry in prediction["top_k"]] == pytest.approx(
            [entry.probability for entry in expected], abs=1e-5
        )


def assert_refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in response.text
    return problem


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/classify",
        "/api/v1/models/colours/classify",
        "/api/v1/models/colours/versions/1/classify",
        "/api/v1/models/colours/versions/production/classify",
    ],
)
def test_every_route_answers_as_the_classifier_does(
    published: Classifier, post: Post, photo: Paint, path: str
) -> None:
    response = post(path, content=photo(5))
    assert_says(response, published, photo(5))
    answer = response.json()
    assert (answer["model"], answer["version"]) == ("colours", 1)
    assert set(answer) == {"model", "version", "predictions", "timing_milliseconds"}
    assert answer["timing_milliseconds"]["total"] > 0


def test_a_form_a_body_and_a_document_say_the_same(published: Classifier, post: Post, photo: Paint) -> None:
    photos = [photo(seed) for seed in range(6)]
    assert_says(post("/api/v1/classify", files=files(*photos)), published, *photos)
    assert_says(post("/api/v1/classify", json=instances(*photos)), published, *photos)
    for data in photos:
        lie = {"Content-Type": "application/json"}
        assert_says(post("/api/v1/classify", content=data, headers=lie), published, data)


def test_ten_views_are_averaged(published: Classifier, post: Post, photo: Paint) -> None:
    photos = [photo(seed) for seed in range(3)]
    response = post("/api/v1/classify", files=files(*photos), params={"views": 10})
    assert_says(response, published, *photos, views=10)


@pytest.mark.parametrize(("top_k", "named"), [(1, 1), (2, 2), (3, 3), (1000, 3)])
def test_as_many_classes_are_named_as_asked_for_and_there_are(
    published: Classifier, post: Post, photo: Paint, top_k: int, named: int
) -> None:
    response = post("/api/v1/classify", content=photo(), params={"top_k": top_k})
    assert_says(response, published, photo(), top_k=top_k)
    assert len(response.json()["predictions"][0]["top_k"]) == named


def test_many_clients_at_once_each_get_their_own_answer(
    published: Classifier, post: Post, photo: Paint
) -> None:
    def ask(seed: int) -> httpx.Response:
        return post("/api/v1/classify", content=photo(seed), params={"views": 10 if seed % 3 == 0 else 1})

    with ThreadPoolExecutor(16) as threads:
        for seed, response in enumerate(threads.map(ask, range(48))):
            assert_says(response, published, photo(seed), views=10 if seed % 3 == 0 else 1)


def test_an_alias_that_moves_is_followed_at_once(
    published: Classifier,
    post: Post,
    photo: Paint,
    models: ModelOperations,
    store: ModelStore,
    other_run: Job,
) -> None:
    models.publish("colours", other_run, alias=None)
    by_version = {1: published, 2: Classifier.load(store.folder("colours", 2))}
    for version in (1, 2, 1, 2):
        store.set_alias("colours", "production", version)
        response = post("/api/v1/classify", content=photo(3))
        assert response.json()["version"] == version
        assert_says(response, by_version[version], photo(3))


def test_an_alias_that_moves_while_a_photo_comes_is_followed_too(
    published: Classifier,
    post: Post,
    photo: Paint,
    models: ModelOperations,
    store: ModelStore,
    other_run: Job,
) -> None:
    models.publish("colours", other_run, alias=None)

    def pieces() -> Iterator[bytes]:
        data = photo(3)
        yield data[:100]
        models.set_alias("colours", "production", 2)
        store.remove_version("colours", 1)
        yield data[100:]

    response = post("/api/v1/classify", content=pieces())
    assert (response.status_code, response.json()["version"]) == (200, 2)


def test_no_request_is_lost_or_mixed_up_while_the_alias_moves(
    published: Classifier,
    post: Post,
    photo: Paint,
    models: ModelOperations,
    store: ModelStore,
    other_run: Job,
) -> None:
    models.publish("colours", other_run, alias=None)
    by_version = {1: published, 2: Classifier.load(store.folder("colours", 2))}
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(post, "/api/v1/classify", content=photo(n)) for n in range(60)]
        for move in range(20):
            store.set_alias("colours", "production", 1 + move % 2)
    for seed, future in enumerate(asked):
        assert_says(future.result(), by_version[future.result().json()["version"]], photo(seed))


def test_the_default_is_the_model_last_put_in_production(
    published: Classifier, post: Post, photo: Paint, models: ModelOperations, other_run: Job
) -> None:
    assert post("/api/v1/classify", content=photo()).json()["model"] == "colours"
    models.publish("others", other_run)
    assert post("/api/v1/classify", content=photo()).json()["model"] == "others"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/classify",
        "/api/v1/models/absent/classify",
        "/api/v1/models/..%2f..%2fetc/classify",
        "/api/v1/models/colours/versions/1/classify",
    ],
)
def test_without_such_a_model_it_is_not_found(post: Post, photo: Paint, path: str) -> None:
    assert_refused(post(path, content=photo()), 404, "not_found")


@pytest.mark.parametrize("version", ["2", "trial", "0"])
def test_without_such_a_version_it_is_not_found(
    published: Classifier, post: Post, photo: Paint, version: str
) -> None:
    path = f"/api/v1/models/colours/versions/{version}/classify"
    assert_refused(post(path, content=photo()), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"a letter", 415, "unsupported_image"),
        (b"", 415, "unsupported_image"),
        (b"\xff\xd8\xff" + b"\0" * 300, 422, "undecodable_image"),
        (b'{"instances": []}', 422, "invalid_spec"),
        (b"\xff\xd8\xff" * 2**20, 413, "payload_too_large"),
    ],
)
def test_what_is_no_photo_is_refused_and_the_next_request_answered(
    published: Classifier, post: Post, photo: Paint, body: bytes, status: int, code: str
) -> None:
    assert_refused(post("/api/v1/classify", content=body), status, code)
    assert_says(post("/api/v1/classify", content=photo()), published, photo())


def test_a_truncated_photo_among_good_ones_is_named(published: Classifier, post: Post, photo: Paint) -> None:
    response = post("/api/v1/classify", files=files(photo(1), photo(2)[:150], photo(3)))
    assert "photo 2 of 3" in assert_refused(response, 422, "undecodable_image")["detail"]


@pytest.mark.timeout(120)
def test_uploads_are_forgotten_once_one_of_them_is_refused(
    published: Classifier, post: Post, photo: Paint
) -> None:
    gc.collect()
    gc.disable()
    try:
        for uploads in ([photo(1)[:500]], [photo(1), photo(2)[:500], photo(3)]):
            assert_refused(post("/api/v1/classify", files=files(*uploads)), 422, "undecodable_image")
        # Threads let go of the last they had a moment after it was answered.
        while any(type(each) is AskedPhoto for each in gc.get_objects()):
            time.sleep(0.05)
    finally:
        gc.enable()


@pytest.mark.parametrize(("query", "field"), [("top_k=0", "top_k"), ("views=5", "views"), ("topk=3", "topk")])
def test_an_option_that_means_nothing_is_named(
    published: Classifier, post: Post, photo: Paint, query: str, field: str
) -> None:
    response = post(f"/api/v1/classify?{query}", content=photo())
    problem = assert_refused(response, 422, "invalid_request")
    assert [entry["field"] for entry in problem["errors"]] == [field]


def test_a_full_queue_refuses_and_says_when_to_come_again(
    published: Classifier,
    settings: Settings,
    photo: Paint,
    serve: Callable[[FastAPI], AbstractContextManager[str]],
) -> None:
    with serve(create_app(settings, BatchLimits(photos_waiting=2))) as url:
        response = httpx.post(f"{url}/api/v1/classify", files=files(photo(1), photo(2), photo(3)))
        assert_refused(response, 503, "overloaded")
        assert int(response.headers["retry-after"]) >= 1
        response = httpx.post(f"{url}/api/v1/classify", files=files(photo(1), photo(2)))
        assert_says(response, published, photo(1), photo(2))


def test_a_version_damaged_on_disk_fails_alone(
    published: Classifier,
    post: Post,
    photo: Paint,
    models: ModelOperations,
    store: ModelStore,
    other_run: Job,
) -> None:
    models.publish("others", other_run, alias=None)
    (store.folder("others", 1) / "weights.safetensors").write_bytes(b"rust")
    for _ in range(2):
        assert_refused(post("/api/v1/models/others/classify", content=photo()), 500, "bad_checkpoint")
    assert_says(post("/api/v1/models/colours/classify", content=photo()), published, photo())


def test_embeddings_are_the_classifiers_and_say_which_photos_are_alike(
    published: Classifier, post: Post, photo: Paint
) -> None:
    photos = [photo(1), photo(2), photo(1)]
    response = post("/api/v1/embed", files=files(*photos))
    assert response.status_code == 200, response.text
    found = np.array(response.json()["embeddings"], dtype=np.float32)
    expected = np.stack([published.embed(data) for data in photos])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.linalg.norm(found[0] - found[2]) < 1e-3 < np.linalg.norm(found[0] - found[1])


def test_a_photo_is_classified_the_way_up_that_it_is_shown(
    published: Classifier, post: Post, photo: Paint
) -> None:
    shown = Image.open(io.BytesIO(photo(7, "PNG")))
    for orientation, stored in (
        (3, shown.transpose(Image.Transpose.ROTATE_180)),
        (6, shown.transpose(Image.Transpose.ROTATE_90)),
    ):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        file = io.BytesIO()
        stored.save(file, "PNG", exif=exif)
        assert_says(post("/api/v1/classify", content=file.getvalue()), published, photo(7, "PNG"))


def test_what_takes_too_long_is_answered_in_time_and_holds_no_place(
    published: Classifier,
    settings: Settings,
    photo: Paint,
    serve: Callable[[FastAPI], AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurried = settings.model_copy(update={"request_seconds": 2})
    may_go_on = threading.Event()
    swift = Classifier.probabilities

    def slow(classifier: Classifier, photos: np.ndarray, views: int = 1) -> np.ndarray:
        may_go_on.wait(30)
        return swift(classifier, photos, views)

    with serve(create_app(hurried, BatchLimits(photos_waiting=2))) as url:
        monkeypatch.setattr(Classifier, "probabilities", slow)
        for _ in range(3):
            response = httpx.post(f"{url}/api/v1/classify", files=files(photo(1), photo(2)), timeout=30)
            assert_refused(response, 503, "answer_too_late")
            assert int(response.headers["retry-after"]) >= 1
        may_go_on.set()
        response = httpx.post(f"{url}/api/v1/classify", files=files(photo(1), photo(2)), timeout=30)
        assert_says(response, published, photo(1), photo(2))


def test_what_it_does_is_measured_by_model_and_version(
    published: Classifier, serving_url: str, post: Post, photo: Paint
) -> None:
    post("/api/v1/classify", files=files(photo(1), photo(2)))
    post("/api/v1/embed", content=photo(1))
    post("/api/v1/classify", content=b"a letter")
    text = httpx.get(f"{serving_url}/metrics").text
    of = 'model="colours",question="{}",version="1"'
    assert f"tandem_answer_seconds_count{{{of.format('one_view')}}} 1.0" in text
    assert f"tandem_answer_seconds_count{{{of.format('embedding')}}} 1.0" in text
    assert 'tandem_batch_photos_sum{model="colours",version="1"} 3.0' in text
    assert 'tandem_http_requests_total{method="POST",route="/api/v1/classify",status="415"} 1.0' in text
    assert "tandem_photos_waiting 0.0" in text


def test_a_device_that_is_not_there_is_refused_at_start(settings: Settings) -> None:
    with pytest.raises(StackError, match=r"cuda:9.*this machine has cpu"):
        create_app(settings.model_copy(update={"serving_devices": ("cuda:9",)}))


def test_it_is_alive_and_ready_before_there_is_any_model(serving_url: str) -> None:
    assert httpx.get(f"{serving_url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{serving_url}/readyz").json() == {"status": "ready"}
