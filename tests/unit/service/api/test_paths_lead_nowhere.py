"""Names and paths of requests, and links on the disk, lead nowhere outside the home and the source roots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from service.domain.state import JobState

PATHS = [
    "../../etc",
    "..",
    ".",
    "/etc/passwd",
    "..\\..\\etc",
    "photos/../../etc",
    ".hidden",
    "a\n",
    "a\x00b",
    "",
]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'tandem.db'}"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no request may read or change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "manifest.json").write_text("secret")
    (folder / "kept.jpg").write_bytes(b"secret")
    return folder


@pytest.fixture
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1", timeout=30) as http:
        yield http


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_no_name_in_any_body(server, http: httpx.Client, tmp_path: Path, name: str) -> None:
    job = server.begin_run()
    bodies = [
        ("POST", "/datasets", {"name": name, "source": {"path": str(tmp_path)}}, "name"),
        ("POST", "/runs", {"dataset": name}, "dataset"),
        ("POST", "/runs", {"dataset": "a", "start_from": {"model": name}}, "start_from.model"),
        ("POST", "/runs", {"dataset": "a", "publish": {"model": name}}, "publish.model"),
        ("POST", "/runs", {"dataset": "a", "publish": {"model": "a", "alias": name}}, "publish.alias"),
        ("POST", "/models/a/versions", {"run_id": job.id, "alias": name}, "alias"),
    ]
    for method, path, body, field in bodies:
        refused = http.request(method, path, json=body)
        assert refused.status_code == 422, (path, body)
        assert [error["field"] for error in refused.json()["errors"]] == [field]


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_no_name_in_any_url(http: httpx.Client, name: str) -> None:
    escaped = quote(name, safe="")
    for method, path in [
        ("GET", f"/datasets/{escaped}"),
        ("DELETE", f"/datasets/{escaped}"),
        ("GET", f"/datasets/{escaped}/events"),
        ("GET", f"/datasets/{escaped}/contact-sheet"),
        ("GET", f"/datasets/{escaped}/mean-image"),
        ("GET", f"/datasets/{escaped}/quarantine"),
        ("GET", f"/models/{escaped}"),
        ("PUT", f"/models/a/aliases/{escaped}"),
        ("DELETE", f"/models/a/aliases/{escaped}"),
        ("GET", f"/runs/{escaped}"),
        ("GET", f"/runs/{escaped}/logs"),
        ("DELETE", f"/runs/{escaped}"),
    ]:
        answer = http.request(method, path, json={"version": 1} if method == "PUT" else None)
        # 307 and 405: a name of dots or none is taken out of the URL, which is another route's then.
        assert answer.status_code in {307, 404, 405, 422} or (method, answer.url.path.rstrip("/")) in {
            ("GET", "/api/v1/datasets"),
            ("GET", "/api/v1/models"),
            ("GET", "/api/v1/runs"),
        }, (method, path, answer.text)


def test_a_checkpoint_is_named_and_not_a_path(server, http: httpx.Client, outside: Path) -> None:
    job = server.begin_run()
    (job.work.checkpoints / "step-00000001").mkdir()
    for name in ("../../../outside", str(outside), "step-00000001/../../..", "."):
        refused = http.post("/models/a/versions", json={"run_id": job.id, "checkpoint": name})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert list(server.settings.models.iterdir()) == []


@pytest.mark.parametrize("field", ["source", "val", "class_names"])
def test_a_server_with_tokens_reads_nothing_outside_its_roots_by_any_field(
    live_server, database_url: str, tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    roots = tmp_path / "photos"
    (roots / "inside").mkdir(parents=True)
    (roots / "way-out").symlink_to(outside)
    (roots / "around").symlink_to(roots / "inside" / ".." / ".." / "outside")
    monkeypatch.setenv("TANDEM_SOURCE_ROOTS", f"{roots}:s3://ours/photos")
    server = live_server(tmp_path / "home", database_url)
    headers = {"Authorization": f"Bearer {server.plane.tokens.create('one', ['write'])}"}

    def asked(place: str) -> tuple[int, str]:
        spec: dict[str, object] = {"name": "x", "source": {"path": str(roots / "inside")}}
        if field == "class_names":
            spec["source"] = {"path": str(roots / "inside"), "class_names": place}
        else:
            spec[field] = {"path": place}
        answer = httpx.post(f"{server.url}/api/v1/datasets", json=spec, headers=headers)
        return answer.status_code, answer.json().get("code", "")

    for place in [
        str(outside),
        "/etc/passwd",
        "../../etc",
        str(roots / ".." / "outside"),
        str(roots / "way-out"),
        str(roots / "way-out" / "kept.jpg"),
        str(roots / "around"),
        f"{roots}-beside",
        "s3://ours/photos/../secret",
        "s3://ours/photos-beside",
        "s3://theirs/photos",
        f"file://{outside}",
    ]:
        assert asked(place) == (403, "forbidden_source"), place
    assert asked(str(roots / "inside"))[0] == 202


def test_of_a_dataset_that_is_a_link_the_link_alone_is_deleted(
    server, http: httpx.Client, outside: Path
) -> None:
    server.add_dataset("photos")
    folder = server.settings.datasets / "photos"
    (outside / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    link = server.settings.datasets / "link"
    link.symlink_to(outside)
    assert http.delete("/datasets/link").status_code == 204
    assert not link.is_symlink()
    assert sorted(path.name for path in outside.iterdir()) == ["kept.jpg", "manifest.json"]


def test_of_a_run_whose_folder_is_a_link_the_link_alone_is_deleted(
    server, http: httpx.Client, outside: Path
) -> None:
    job = server.begin_run()
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.STOPPED)
    job.work.path.rename(outside / "run")
    job.work.path.symlink_to(outside / "run")
    assert http.delete(f"/runs/{job.id}").status_code == 204
    assert (outside / "run" / "run.json").is_file()
    assert list(server.settings.runs.iterdir()) == []
