"""Preparing over REST: followed by its events, stopped and gone on with, refused and deleted."""

from __future__ import annotations

import io
import time
from pathlib import Path

import httpx
import pytest
from many_photos import NUM_PHOTOS, table_of_many_photos
from PIL import Image

from service.client import ApiError, Client
from service.domain.events import EventKind
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = pytest.mark.cluster

SHARD_SIZE = 100


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table_of_many_photos(tmp_path_factory.mktemp("many"))


def spec(table: Path, **other: object) -> dict[str, object]:
    source = {"path": str(table)}
    return {"name": "many", "source": source, "image_size": 256, "shard_size": SHARD_SIZE, **other}


def staging(stack: Stack) -> Path:
    return stack.settings.datasets / ".many.preparing"


def test_a_stopped_preparation_goes_on_where_it_ended(client: Client, stack: Stack, table: Path) -> None:
    client.datasets.create(spec(table))
    events = client.datasets.events("many")
    progress = (event.data for event in events if event.kind is EventKind.PROGRESS)
    caught = next(data for data in progress if data["shards_done"] >= 2)
    assert caught["photos_total"] == NUM_PHOTOS + 1
    client.datasets.stop("many")
    assert [event.kind for event in events][-1] is EventKind.END
    assert client.datasets.get("many").state is JobState.STOPPED
    finished = {path.name: path.stat().st_mtime_ns for path in staging(stack).glob("*.beton")}
    assert 2 <= len(finished) < NUM_PHOTOS // SHARD_SIZE

    client.datasets.create(spec(table))
    seen = list(client.datasets.events("many"))
    first = next(event.data for event in seen if event.kind is EventKind.PROGRESS)
    assert first["shards_done"] >= 2
    dataset = client.datasets.get("many")
    assert dataset.state is JobState.SUCCEEDED, dataset.reason
    assert dataset.manifest is not None
    assert dataset.manifest["splits"]["train"]["num_samples"] == NUM_PHOTOS
    assert dataset.manifest["splits"]["train"]["class_counts"] == [NUM_PHOTOS // 2, NUM_PHOTOS // 2]
    assert dataset.manifest["quarantined"] == 1
    page = client.datasets.quarantine("many")
    assert [(photo.path, photo.reason) for photo in page.items] == [("notes.txt", "not_an_image")]
    for picture in ("contact-sheet", "mean-image"):
        answer = httpx.get(f"{stack.settings.api_url}/api/v1/datasets/many/{picture}", timeout=60)
        assert Image.open(io.BytesIO(answer.content)).format == "PNG"
    assert dataset.progress.photos_done == NUM_PHOTOS + 1
    for name, written_at in finished.items():
        assert (stack.settings.datasets / "many" / name).stat().st_mtime_ns == written_at
    client.datasets.delete("many")


def test_another_dataset_under_the_name_of_a_stopped_one_waits_for_its_deletion(
    client: Client, stack: Stack, table: Path
) -> None:
    client.datasets.create(spec(table))
    wait_for_a_shard(stack)
    client.datasets.stop("many")
    wait_until_over(client)
    client.datasets.create(spec(table, seed=1))
    wait_until_over(client)
    refused = client.datasets.get("many")
    assert refused.state is JobState.FAILED
    assert refused.reason is not None
    assert "seed was 0 and is 1" in refused.reason
    assert "DELETE /api/v1/datasets/NAME" in refused.reason
    client.datasets.delete("many")
    assert not staging(stack).exists()
    with pytest.raises(ApiError) as caught:
        client.datasets.get("many")
    assert caught.value.status == 404


def wait_for_a_shard(stack: Stack) -> None:
    while not list(staging(stack).glob("records/*.json")):
        time.sleep(0.05)


def wait_until_over(client: Client) -> None:
    while not client.datasets.get("many").state.is_terminal:
        time.sleep(0.2)
