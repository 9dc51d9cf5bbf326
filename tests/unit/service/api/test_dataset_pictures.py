"""A dataset's pictures over HTTP: as they lie on the disk, asked for again only when they have changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from pipeline.png import write_png
from service.client import ApiError, Client

PICTURES = ["contact-sheet", "mean-image"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1/datasets", timeout=30) as http:
        yield http


@pytest.fixture
def drawn(server) -> dict[str, bytes]:
    """The pictures of the dataset `photos`, by name."""
    server.add_dataset("photos")
    made = {}
    for shade, name in enumerate(PICTURES):
        path = server.settings.datasets / "photos" / f"{name}.png"
        write_png(path, np.full((16, 16, 3), shade, np.uint8))
        made[name] = path.read_bytes()
    return made


def test_pictures_are_the_files_of_the_dataset(http: httpx.Client, drawn: dict[str, bytes]) -> None:
    for name, content in drawn.items():
        answer = http.get(f"/photos/{name}")
        assert answer.status_code == 200
        assert answer.content == content
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(set(drawn.values())) == len(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_who_has_a_picture_is_told_so_until_another_is_in_its_place(
    server, http: httpx.Client, drawn: dict[str, bytes], name: str
) -> None:
    tag = http.get(f"/photos/{name}").headers["ETag"]
    again = http.get(f"/photos/{name}", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == tag
    assert again.headers["Cache-Control"] == "no-cache"
    path = server.settings.datasets / "photos" / f"{name}.png"
    path.write_bytes(b"another")
    os.utime(path, (1, 1))
    other = http.get(f"/photos/{name}", headers={"If-None-Match": tag})
    assert (other.status_code, other.content) == (200, b"another")


@pytest.mark.parametrize("name", PICTURES)
def test_dataset_of_before_is_a_404_with_the_command_that_draws_its_pictures(
    server, http: httpx.Client, name: str
) -> None:
    server.add_dataset("photos")
    folder = server.settings.datasets / "photos"
    refused = http.get(f"/photos/{name}")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert f"'tandem inspect {folder} --{name} {folder / name}.png' draws it" in refused.json()["detail"]


@pytest.mark.parametrize("name", PICTURES)
def test_dataset_that_is_not_whole_or_not_there_has_no_pictures(
    http: httpx.Client, client: Client, tmp_path: Path, name: str
) -> None:
    assert "no dataset 'nothing'" in http.get(f"/nothing/{name}").json()["detail"]
    (tmp_path / "source").mkdir()
    client.datasets.create({"name": "pets", "source": {"path": str(tmp_path / "source")}})
    refused = http.get(f"/pets/{name}")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    reason = r"dataset 'pets' is (queued|starting): its pictures are drawn before it is whole"
    assert re.match(reason, refused.json()["detail"])


def test_what_else_is_in_a_datasets_folder_is_no_picture(http: httpx.Client, drawn: dict[str, bytes]) -> None:
    for name in ("manifest.json", "contact-sheet.png", "contact-sheet/..", "..%2Fcontact-sheet"):
        assert http.get(f"/photos/{name}").headers["Content-Type"] != "image/png"


def test_manifest_tells_the_photos_of_each_class_where_it_knows(server, client: Client) -> None:
    server.add_dataset("photos")
    manifest = client.datasets.get("photos").manifest
    assert manifest is not None
    assert manifest["splits"]["train"]["class_counts"] is None
    path = server.settings.datasets / "photos" / "manifest.json"
    path.write_text(path.read_text().replace('"class_counts":null', '"class_counts":[600,40]'))
    manifest = client.datasets.get("photos").manifest
    assert manifest is not None
    assert manifest["splits"]["train"]["class_counts"] == [600, 40]
    path.write_text(path.read_text().replace("[600,40]", "[600,41]"))
    with pytest.raises(ApiError, match="class_counts") as caught:
        client.datasets.get("photos")
    assert (caught.value.status, caught.value.code) == (409, "bad_dataset")
