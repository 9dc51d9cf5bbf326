"""The Open Inference Protocol, spoken by a client of its own and by hand."""

from __future__ import annotations

import base64
import json
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException

from model.classifier import Classifier
from service.domain.job import Job
from service.operations.models import ModelOperations
from service.serving.app import create_app
from service.serving.replica import Replica
from service.settings import Settings
from service.store.models import ModelStore

Paint = Callable[..., bytes]


@pytest.fixture
def published(models: ModelOperations, store: ModelStore, run: Job) -> Classifier:
    models.publish("colours", run)
    return Classifier.load(store.folder("colours", 1))


@pytest.fixture
def inference(serving_url: str, published: Classifier) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(serving_url.removeprefix("http://"))
    yield client
    client.close()


def photos_tensor(*photos: bytes, binary: bool = True) -> InferInput:
    given = photos if binary else [base64.b64encode(photo) for photo in photos]
    tensor = InferInput("photo", [len(photos)], "BYTES")
    tensor.set_data_from_numpy(np.array(given, dtype=np.object_), binary_data=binary)
    return tensor


def test_the_server_and_its_models_are_ready_and_described(inference: InferenceServerClient) -> None:
    assert inference.is_server_live()
    assert inference.is_server_ready()
    assert inference.is_model_ready("colours")
    assert inference.is_model_ready("colours", "1")
    assert not inference.is_model_ready("absent")
    assert inference.get_server_metadata()["name"] == "tandem"
    metadata = inference.get_model_metadata("colours")
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "photo", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["outputs"][0] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}
    assert metadata["parameters"] == {"labels": ["amber", "blue", "coral"]}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_probabilities_are_the_classifiers(
    inference: InferenceServerClient, published: Classifier, photo: Paint, binary_in: bool, binary_out: bool
) -> None:
    photos = [photo(seed) for seed in range(3)]
    result = inference.infer(
        "colours",
        [photos_tensor(*photos, binary=binary_in)],
        outputs=[InferRequestedOutput("probabilities", binary_data=binary_out)],
        request_id="of the client",
    )
    found = result.as_numpy("probabilities")
    assert found.dtype == np.float32
    assert found.shape == (3, 3)
    for row, data in zip(found, photos, strict=True):
        assert_row_is(row, published, data)
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == (
        "of the client",
        "colours",
        "1",
    )


def assert_row_is(row: np.ndarray, classifier: Classifier, data: bytes, views: int = 1) -> None:
    expected = {each.index: each.probability for each in classifier.classify(data, top_k=3, views=views)}
    assert dict(enumerate(row.tolist())) == pytest.approx(expected, abs=1e-5)


def test_ten_views_are_a_parameter(
    inference: InferenceServerClient, published: Classifier, photo: Paint
) -> None:
    result = inference.infer("colours", [photos_tensor(photo(4))], parameters={"views": 10})
    assert_row_is(result.as_numpy("probabilities")[0], published, photo(4), views=10)


def test_embeddings_and_named_classes_come_together(
    inference: InferenceServerClient, published: Classifier, photo: Paint
) -> None:
    outputs = [InferRequestedOutput("probabilities", class_count=2), InferRequestedOutput("embedding")]
    result = inference.infer("colours", [photos_tensor(photo(1), photo(2))], outputs=outputs)
    for row, embedding, data in zip(
        result.as_numpy("probabilities"), result.as_numpy("embedding"), (photo(1), photo(2)), strict=True
    ):
        expected = published.classify(data, top_k=2)
        assert [text.decode() for text in row] == [
            f"{each.probability:f}:{each.index}:{each.label}" for each in expected
        ]
        np.testing.assert_allclose(embedding, published.embed(data), rtol=1e-4, atol=1e-4)


def test_photos_that_cannot_be_used_are_refused_in_words_that_the_client_finds(
    inference: InferenceServerClient,
) -> None:
    with pytest.raises(InferenceServerException, match=r"\[415\].*photo 1 of 1 is not an image"):
        inference.infer("colours", [photos_tensor(b"a letter")])
    with pytest.raises(InferenceServerException, match=r"\[404\].*no model 'absent'"):
        inference.infer("absent", [photos_tensor(b"a letter")])


def request(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "photo", "datatype": "BYTES", "shape": [1], "data": ["AAAA"], **changes}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        (request(name="image"), "inputs.0.name"),
        (request(datatype="FP32"), "inputs.0.datatype"),
        (request(shape=[2]), "inputs.0"),
        (request(shape=[1, 1]), "inputs.0.shape"),
        (request(shape=[0]), "inputs.0.shape.0"),
        (request(data=[]), "inputs.0.data"),
        (request(shape=["1"]), "inputs.0.shape.0"),
        (request(data=["not base64!"]), "inputs.0"),
        (request(data=None), "inputs.0"),
        (request(parameters={"binary_data_size": 4}), "inputs.0"),
        (request() | {"outputs": [{"name": "logits"}]}, "outputs.0.name"),
        (request() | {"parameters": {"views": 3}}, "parameters.views"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    serving_url: str, published: Classifier, body: dict[str, Any], field: str
) -> None:
    response = httpx.post(f"{serving_url}/v2/models/colours/infer", json=body)
    problem = response.json()
    assert (response.status_code, problem["error"]) == (422, problem["detail"])
    assert [entry["field"] for entry in problem["errors"]] == [field]


@pytest.mark.parametrize(
    ("raw", "size", "header"),
    [
        (b"\1\0", 2, None),
        (struct.pack("<I", 9) + b"short", 9, None),
        (struct.pack("<I", 2**32 - 1), 4, None),
        (b"", 5, None),
        (b"\0" * 8, 4, None),
        (b"", 0, "-1"),
        (b"", 0, "999999"),
        (b"", 0, "9" * 5000),
        (b"\0" * 4 * 100_000, 400_000, None),
        (b"", 0, "many"),
    ],
)
def test_bytes_that_are_no_tensor_are_refused(
    serving_url: str, published: Classifier, raw: bytes, size: int, header: str | None
) -> None:
    text = json.dumps(request(data=None, parameters={"binary_data_size": size})).encode()
    headers = {"Inference-Header-Content-Length": header or str(len(text))}
    response = httpx.post(f"{serving_url}/v2/models/colours/infer", content=text + raw, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_spec"), response.text


def test_a_document_with_far_more_in_it_than_photos_is_not_parsed(
    serving_url: str, published: Classifier
) -> None:
    body = request(shape=[1], data=["" for _ in range(100_000)])
    response = httpx.post(f"{serving_url}/v2/models/colours/infer", json=body)
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_more_photos_than_a_request_may_have_are_refused(serving_url: str, published: Classifier) -> None:
    body = request(shape=[1000], data=["AAAA"] * 1000)
    response = httpx.post(f"{serving_url}/v2/models/colours/infer", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_spec")
    assert {entry["field"] for entry in response.json()["errors"]} == {"inputs.0.shape.0", "inputs.0.data"}


def test_the_answer_without_any_output_named_is_probabilities_in_json(
    serving_url: str, published: Classifier, photo: Paint
) -> None:
    body = request(data=[base64.b64encode(photo(1)).decode()])
    (output,) = httpx.post(f"{serving_url}/v2/models/colours/infer", json=body).json()["outputs"]
    assert output["name"] == "probabilities"
    assert_row_is(np.array(output["data"]), published, photo(1))


def test_all_outputs_together_take_no_longer_than_a_request_may(
    published: Classifier,
    settings: Settings,
    serve: Callable[[FastAPI], AbstractContextManager[str]],
    photo: Paint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swift = Replica.answers

    def slow(replica: Replica, *of_photos: Any, **options: Any) -> np.ndarray:
        time.sleep(0.6)
        return swift(replica, *of_photos, **options)

    body = {
        "inputs": [photos_tensor(photo(1), binary=False)._get_tensor()],
        "outputs": [{"name": "probabilities"}, {"name": "embedding"}],
    }
    with serve(create_app(settings.model_copy(update={"request_seconds": 1}))) as url:
        monkeypatch.setattr(Replica, "answers", slow)
        answer = httpx.post(f"{url}/v2/models/colours/infer", json=body, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "answer_too_late")


def test_a_client_that_leaves_its_outputs_open_gets_them_raw(
    inference: InferenceServerClient, published: Classifier, photo: Paint
) -> None:
    result: InferResult = inference.infer("colours", [photos_tensor(photo(1))])
    assert result.get_output("probabilities")["parameters"] == {"binary_data_size": 12}
    assert_row_is(result.as_numpy("probabilities")[0], published, photo(1))
