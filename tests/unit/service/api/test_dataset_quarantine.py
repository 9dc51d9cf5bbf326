"""The photos in a dataset's quarantine over HTTP: in pages, and with the names that files have."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pipeline.shards.record import QuarantinedPhoto, ShardRecord, ledger
from pipeline.shards.staging import staging_path
from service.client import ApiError, Client
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.state import JobState
from service.store.jobs import new_job_id

PHOTOS = [
    QuarantinedPhoto(f"a/{number:04d}.jpg", "train", 1, "empty", "has no bytes") for number in range(1201)
]
MARKUP = "<script>alert(1)</script>"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1/datasets", timeout=30) as http:
        yield http


def write_ledger(server, photos: list[QuarantinedPhoto]) -> None:
    server.add_dataset("photos")
    (server.settings.datasets / "photos" / "quarantine.jsonl").write_text(ledger(photos))


def begin_preparation(server) -> Job:
    """That of `pets`, as if Ray had it. Without Ray, nothing else moves it."""
    folder = JobFolder(server.settings.logs / "prepare-pets")
    folder.create({})
    job = server.plane.jobs.create("dataset", name="pets", spec={}, folder=folder.path, job_id=new_job_id())
    with server.plane.jobs.editing(job.id) as edit:
        edit.begin_attempt()
        edit.move_to(JobState.RUNNING)
    return job


def write_record(server, photos: list[QuarantinedPhoto]) -> None:
    """A finished shard of the preparation of `pets`."""
    records = staging_path(server.settings.datasets / "pets") / "records"
    records.mkdir(parents=True)
    name = "train-00000.beton"
    ShardRecord(name, "train", 9, None, tuple(photos)).save(records / f"{name}.json")


def test_a_page_is_lines_of_the_ledger_and_says_how_many_there_are(server, http: httpx.Client) -> None:
    write_ledger(server, PHOTOS[:3])
    assert http.get("/photos/quarantine", params={"limit": 2}).json() == {
        "items": [photo._asdict() for photo in PHOTOS[:2]],
        "total": 3,
        "next_after": 2,
    }
    assert http.get("/photos/quarantine", params={"limit": 2, "after": 2}).json() == {
        "items": [PHOTOS[2]._asdict()],
        "total": 3,
        "next_after": None,
    }


def test_client_comes_through_all_pages(server, client: Client) -> None:
    write_ledger(server, PHOTOS)
    after: int | None = 0
    sizes, found = [], []
    while after is not None:
        page = client.datasets.quarantine("photos", after=after, limit=500)
        sizes.append(len(page.items))
        found += page.items
        after = page.next_after
    assert sizes == [500, 500, 201]
    assert [tuple(photo.model_dump().values()) for photo in found] == [tuple(photo) for photo in PHOTOS]
    assert len(client.datasets.quarantine("photos").items) == 100


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"after": -1}, "after"),
        ({"after": 10**30}, "after"),
        ({"after": "a"}, "after"),
    ],
)
def test_page_without_bounds_is_refused(
    server, http: httpx.Client, params: dict[str, str], field: str
) -> None:
    write_ledger(server, PHOTOS[:1])
    refused = http.get("/photos/quarantine", params=params)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]


def test_names_of_any_kind_are_data_in_the_answer(server, http: httpx.Client) -> None:
    # What no UTF-8 can say: a byte of Latin-1 in a file's name, and half of a pair in a table.
    names = [f"{MARKUP}.jpg", "三毛猫/\u202eא😀\u0000\n.jpg", "caf\udce9.jpg", "half\ud800.jpg"]
    shown = [*names[:2], r"caf\udce9.jpg", r"half\ud800.jpg"]
    write_ledger(server, [QuarantinedPhoto(name, "val", 7, "corrupt", f"in {name}") for name in names])
    answer = http.get("/photos/quarantine")
    assert answer.headers["Content-Type"] == "application/json"
    assert sorted(photo["path"] for photo in answer.json()["items"]) == sorted(shown)
    assert sorted(photo["detail"] for photo in answer.json()["items"]) == sorted(
        f"in {name}" for name in shown
    )
    assert {photo["label"] for photo in answer.json()["items"]} == {7}


def test_preparation_tells_what_its_finished_shards_found_while_it_is_at_work_and_when_it_has_failed(
    server, client: Client
) -> None:
    job = begin_preparation(server)
    assert client.datasets.quarantine("pets").total == 0
    write_record(server, PHOTOS[2:4][::-1])
    for state in (JobState.RUNNING, JobState.FAILED):
        with server.plane.jobs.editing(job.id) as edit:
            edit.move_to(state, "too many photos cannot be used")
        assert client.datasets.get("pets").state is state
        page = client.datasets.quarantine("pets", limit=1)
        assert ([photo.path for photo in page.items], page.total) == ([PHOTOS[2].path], 2)
        assert page.next_after == 1
    client.datasets.delete("pets")
    with pytest.raises(ApiError, match="no dataset 'pets'"):
        client.datasets.quarantine("pets")


def test_ledger_that_is_damaged_or_gone_is_a_conflict_that_says_so(server, http: httpx.Client) -> None:
    write_ledger(server, PHOTOS[:2])
    path = server.settings.datasets / "photos" / "quarantine.jsonl"
    path.write_text('{"path": 1}\n')
    damaged = http.get("/photos/quarantine")
    assert (damaged.status_code, damaged.json()["code"]) == (409, "bad_dataset")
    assert "tandem inspect --verify tells more" in damaged.json()["detail"]
    path.unlink()
    assert "cannot be read" in http.get("/photos/quarantine").json()["detail"]
