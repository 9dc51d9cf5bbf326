"""The whole path on a real stack, over REST alone: prepare, train on two workers, publish, classify."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from tritonclient.http import InferenceServerClient, InferInput

from model.classifier import Classifier
from model.config import ModelConfig
from model.export.format import format_named
from model.export.portable import PortableModel
from model.network.architecture import layers_of
from pipeline.photos.decode import square_photo
from service.client import ApiError, Client
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState
from service.stack.up import LOOK_SECONDS, Stack

pytestmark = pytest.mark.cluster

CLASSES = ("amber", "blue", "coral", "dark")


@pytest.fixture(scope="module")
def trained(client: Client, dataset: str) -> Run:
    """Two workers, six epochs: enough to tell four colours apart."""
    run = client.runs.create(
        {
            "name": "paints",
            "dataset": dataset,
            "seed": 3,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "epochs": 6, "global_batch_size": 32},
            "resources": {"num_workers": 2},
            "checkpoint": {"every_steps": 5, "keep": 2},
            "publish": {"model": "paints-by-itself"},
        }
    )
    events = list(client.runs.events(run.id))
    assert events[-1].kind is EventKind.END
    return client.runs.get(run.id)


def test_the_run_succeeds_and_learns(trained: Run) -> None:
    assert trained.state is JobState.SUCCEEDED, trained.reason
    assert trained.progress.step == trained.progress.total_steps == 6 * (256 // 32)
    assert trained.progress.val_top1_error is not None
    assert trained.progress.val_top1_error < 0.5, "four classes: chance is 0.75"


def test_the_history_has_no_gap_and_replays_from_anywhere(client: Client, trained: Run) -> None:
    whole = [event for event in client.runs.events(trained.id) if event.id is not None]
    assert [event.id for event in whole] == list(range(1, len(whole) + 1))
    rest = [event for event in client.runs.events(trained.id, last_event_id=4) if event.id is not None]
    assert rest == whole[4:]
    states = [event.data["state"] for event in whole if event.kind is EventKind.STATE]
    # Who looks late at a short run finds it over, and no more says that it runs.
    passed = ["queued", "starting", "running", "succeeded"]
    assert list(dict.fromkeys(states)) in (passed, [state for state in passed if state != "running"])
    assert sum(event.kind is EventKind.EPOCH for event in whole) == 6


def test_every_validation_photo_counted_once(client: Client, trained: Run) -> None:
    epochs = [event.data for event in client.runs.events(trained.id) if event.kind is EventKind.EPOCH]
    assert {epoch["val_samples"] for epoch in epochs} == {64}


def test_only_the_newest_checkpoints_are_kept(trained: Run) -> None:
    assert [checkpoint.step for checkpoint in trained.checkpoints] == [45, 48]


def test_a_run_that_says_so_publishes_itself(client: Client, trained: Run) -> None:
    model = client.models.get("paints-by-itself")
    assert [version.run_id for version in model.versions] == [trained.id]
    assert model.aliases == {"production": 1}


def test_metrics_hold_the_last_step(client: Client, trained: Run) -> None:
    steps = [line["step"] for line in client.runs.metrics(trained.id)]
    assert steps[-1] == 48
    assert client.runs.metrics(trained.id, after=47)[0]["step"] == 48


def test_the_published_model_answers_over_http(
    client: Client, stack: Stack, trained: Run, photos: Path
) -> None:
    version = client.models.publish("paints", trained.id)
    assert (version.version, version.step) == (1, 48)
    weights = load_file(stack.settings.models / "paints" / "1" / "weights.safetensors")
    assert weights["mean_image"].shape == (72, 72, 3)

    held_out = [photos / "val" / name / "003.jpg" for name in CLASSES]
    answer = client.classify(held_out, model="paints", top_k=3)
    assert answer.version == 1
    best = [prediction.top_k[0].label for prediction in answer.predictions]
    assert sum(found == true for found, true in zip(best, CLASSES, strict=True)) >= 3
    for prediction in answer.predictions:
        shares = [guess.probability for guess in prediction.top_k]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1.0 + 1e-6


def test_ten_views_answer_too(client: Client, trained: Run) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((90, 120, 3), (30, 60, 220), np.uint8)).save(buffer, "PNG")
    answer = client.classify([buffer.getvalue()], model="paints", views=10, top_k=4)
    assert answer.predictions[0].top_k[0].label == "blue"
    assert sum(guess.probability for guess in answer.predictions[0].top_k) == pytest.approx(1.0, abs=1e-5)


def test_api_classifier_exports_and_open_inference_say_the_same(
    client: Client, stack: Stack, trained: Run, photos: Path, tmp_path: Path
) -> None:
    folder = stack.settings.models / "paints" / "1"
    classifier, portable = Classifier.load(folder), PortableModel.load(folder)
    held_out = [(photos / "val" / name / "004.jpg").read_bytes() for name in CLASSES]
    pixels = np.stack([square_photo(data, 72, exif="apply") for data in held_out])

    tensor = InferInput("photo", [4], "BYTES")
    tensor.set_data_from_numpy(np.array(held_out, dtype=np.object_))
    with closing(InferenceServerClient(stack.url.removeprefix("http://"))) as inference:
        by_protocol = inference.infer("paints", [tensor]).as_numpy("probabilities")
    by_file = {}
    for name in ("onnx", "torchscript"):
        form = format_named(name)
        with (tmp_path / name).open("wb") as file:
            form.write(portable, file)
        by_file[name] = form.open(tmp_path / name)(pixels)

    answer = client.classify(held_out, model="paints", top_k=4)
    for number, prediction in enumerate(answer.predictions):
        expected = classifier.classify(held_out[number], top_k=4)
        order = [each.index for each in expected]
        assert [each.index for each in prediction.top_k] == order
        probabilities = [each.probability for each in expected]
        assert [each.probability for each in prediction.top_k] == pytest.approx(probabilities, abs=1e-4)
        for found in (by_protocol, by_file["onnx"], by_file["torchscript"]):
            assert np.argsort(-found[number]).tolist() == order
            assert found[number][order].tolist() == pytest.approx(probabilities, abs=1e-4)


def test_training_photos_like_a_photo_are_found_once_the_model_is_indexed(
    client: Client, stack: Stack, trained: Run, dataset: str, photos: Path
) -> None:
    while not (found := client.models.index("paints", 1)).state.is_terminal:
        time.sleep(0.3)
    assert found.state is JobState.SUCCEEDED, found.reason
    assert (found.progress.photos_done, found.progress.photos_total) == (256, 256)
    answer = client.similar(
        [photos / "train" / name / "000.jpg" for name in CLASSES], model="paints", top_k=5
    )
    for name, found_photos in zip(CLASSES, answer.photos, strict=True):
        assert len(found_photos.nearest) == 5
        assert sum(each.label == name for each in found_photos.nearest) >= 3
    embedded = client.embed([photos / "train" / "blue" / "000.jpg"], model="paints")
    assert (
        len(embedded.embeddings[0]) == layers_of(ModelConfig.preset("alexnet-tiny", num_classes=4))[-1].fan_in
    )


def test_a_serving_process_killed_under_load_is_started_again_and_answers_the_same(
    client: Client, stack: Stack, trained: Run, photos: Path
) -> None:
    photo = photos / "val" / "blue" / "005.jpg"
    expected = client.classify([photo], model="paints").predictions[0].top_k[0]
    serving = stack.child("serving")
    killed, answered = serving.pid, threading.Event()

    def ask() -> set[str]:
        refusals = set()
        while not answered.is_set():
            try:
                found = client.classify([photo], model="paints").predictions[0].top_k[0]
                assert found.label == expected.label
                # Batches of another size add in another order.
                assert found.probability == pytest.approx(expected.probability, abs=1e-4)
            except ApiError as error:
                refusals.add(error.code)
            else:
                if serving.pid != killed:
                    answered.set()
        return refusals

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask) for _ in range(8)]
        os.kill(killed, signal.SIGKILL)
        while not answered.wait(LOOK_SECONDS) and not any(each.done() for each in asking):
            stack.revive()
        answered.set()
        refusals = set().union(*(each.result() for each in asking))
    assert refusals <= {"serving_unreachable"}
    assert serving.is_alive


def test_a_run_that_starts_from_a_model_begins_with_what_that_has_learnt(
    client: Client, dataset: str, trained: Run
) -> None:
    run = client.runs.create(
        {
            "dataset": dataset,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "max_steps": 1, "global_batch_size": 32},
            "start_from": {"model": "paints-by-itself"},
        }
    )
    assert list(client.runs.events(run.id))[-1].data["state"] == "succeeded"
    (first,) = client.runs.metrics(run.id)
    assert first["loss"] < 0.8 * client.runs.metrics(trained.id)[0]["loss"]
