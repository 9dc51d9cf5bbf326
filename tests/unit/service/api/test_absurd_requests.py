"""What no sane client sends is refused by name, on either database, and is never an error of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from service.client import ApiError, Client
from service.domain.state import JobState

NUL = r"\u0000"
LONE_SURROGATE = r"\ud800"
LONG = "x" * 5000
HUGE = "1" + "0" * 4000


class Refusal(NamedTuple):
    status: int
    code: str
    fields: list[str]


def refusal(answer: httpx.Response) -> Refusal:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem = answer.json()
    return Refusal(answer.status_code, problem["code"], [error["field"] for error in problem["errors"]])


@pytest.fixture
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1", timeout=30) as http:
        yield http


def post(http: httpx.Client, path: str, text: str) -> httpx.Response:
    """Sends JSON as it is written here."""
    return http.post(path, content=text, headers={"Content-Type": "application/json"})


def test_a_text_that_is_no_id_names_no_run(http: httpx.Client) -> None:
    for text in ("%00", "a%00", "%ff", LONG, "%F0%9F%93%B7"):
        for path in ("", "/events", "/logs", "/metrics", "/checkpoints"):
            assert refusal(http.get(f"/runs/{text}{path}")) == (404, "not_found", [])
    for text in (NUL, LONE_SURROGATE, LONG):
        answer = post(http, "/models/some/versions", f'{{"run_id": "{text}"}}')
        assert refusal(answer) == (404, "not_found", [])


def test_a_path_with_a_slash_too_many_is_none(http: httpx.Client) -> None:
    for path in ("/runs/", "/runs//", "/healthz/", "/%00"):
        assert refusal(http.get(path)) == (404, "not_found", [])


def test_a_cursor_that_no_page_gave_is_refused(http: httpx.Client) -> None:
    for cursor in ("%00", "x", "_", "2026-01-01T00:00:00_%00", "%F0%9F%93%B7", LONG):
        assert refusal(http.get(f"/runs?cursor={cursor}")) == (422, "invalid_request", ["cursor"])


def test_a_history_is_followed_from_any_number_it_can_have(server, http: httpx.Client) -> None:
    job = server.begin_run()
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.STOPPED)
    path, highest = f"/runs/{job.id}/events", 2**31 - 1
    assert http.get(path, headers={"Last-Event-ID": str(highest)}).text == ""
    answer = http.get(path, headers={"Last-Event-ID": str(highest + 1)})
    assert refusal(answer) == (422, "invalid_request", ["last-event-id"])


def test_a_run_is_not_made_of_what_cannot_be_kept(http: httpx.Client) -> None:
    for field, value in (
        ("name", f'"a{NUL}b"'),
        ("name", f'"{LONE_SURROGATE}"'),
        ("name", f'"{LONG}"'),
        ("seed", str(2**63)),
        ("seed", "true"),
        ("resources.cpus_per_worker", HUGE),
        ("resources.cpus_per_worker", "NaN"),
        ("resources.num_workers", "1e400"),
        ("checkpoint.every_steps", HUGE),
        ("start_from.model", f'"{NUL}"'),
    ):
        outer, _, inner = field.rpartition(".")
        setting = f'"{inner}": {value}'
        if outer:
            setting = f'"{outer}": {{{setting}}}'
        status, code, fields = refusal(post(http, "/runs", f'{{"dataset": "photos", {setting}}}'))
        assert (status, code, field in fields) == (422, "invalid_request", True), field


def test_an_override_is_refused_by_its_name_whatever_it_is(server, http: httpx.Client) -> None:
    server.add_dataset("photos")
    for field, value in (
        ("model.activation", f'"{LONE_SURROGATE}"'),
        ("model.dropout", "NaN"),
        ("recipe.learning_rate", "1e999"),
        ("recipe.learning_rate", HUGE),
        ("recipe.weight_decay", "[[[[]]]]"),
    ):
        outer, _, inner = field.rpartition(".")
        presets = {"model": '"preset": "alexnet-tiny"', "recipe": '"preset": "quick"'}
        presets[outer] += f', "{inner}": {value}'
        text = f'"model": {{{presets["model"]}}}, "recipe": {{{presets["recipe"]}}}'
        status, code, fields = refusal(post(http, "/runs", f'{{"dataset": "photos", {text}}}'))
        assert (status, code, field in fields) == (422, "invalid_spec", True), field


def test_what_can_be_kept_comes_back_as_it_was_given(
    live_server, head, tmp_path: Path, database_url: str
) -> None:
    server = live_server(tmp_path / "home", database_url, head.url)
    server.add_dataset("photos")
    name, seed = "写真📷" * 42, 2**63 - 1
    recipe = {"preset": "quick", "max_steps": 10**12}
    spec = {"dataset": "photos", "model": {"preset": "alexnet-tiny"}, "recipe": recipe}
    with Client(server.url) as client:
        made = client.runs.create({**spec, "name": name, "seed": seed}, idempotency_key="~" * 255)
        found = client.runs.get(made.id)
        with pytest.raises(ApiError, match=r"recipe\.max_steps: Input should be less than"):
            client.runs.create({**spec, "recipe": {**recipe, "max_steps": int(HUGE)}})
    assert (found.name, found.spec["seed"], found.spec["recipe"]) == (name, seed, recipe)


def test_a_key_that_cannot_be_kept_is_refused(http: httpx.Client) -> None:
    for key in ("", "two words", "ü", "x" * 256):
        headers = {"Idempotency-Key": key.encode()}
        answer = http.post("/runs", json={"dataset": "photos"}, headers=headers)
        assert refusal(answer) == (422, "invalid_request", ["idempotency-key"])


def test_a_source_that_no_file_system_has_is_refused(http: httpx.Client, tmp_path: Path) -> None:
    round_and_round = tmp_path / "round"
    round_and_round.symlink_to(round_and_round)
    for place in ("a\0b", "~nobody-of-this-name/photos", f"photos/{LONG}", str(round_and_round)):
        for field in ("path", "class_names"):
            source = {"path": str(tmp_path), field: place}
            answer = http.post("/datasets", json={"name": "new", "source": source})
            assert refusal(answer) == (422, "invalid_spec", [f"source.{field}"])


def test_a_body_that_cannot_be_read_is_said_to_be_one(http: httpx.Client) -> None:
    body = json.dumps({"dataset": "photos"}).encode()
    for content, content_type, status, code in (
        (b'{"name": "\xff"}', b"application/json", 400, "unreadable_body"),
        (b"[" * 100_000, b"application/json", 400, "unreadable_body"),
        (b'{"seed": ' + b"1" * 5000 + b"}", b"application/json", 400, "unreadable_body"),
        (body, b"text/plain", 415, "unsupported_media_type"),
        (body, b"\xe4", 415, "unsupported_media_type"),
        (b"{", b"application/json", 422, "invalid_request"),
        (b"null", b"application/json", 422, "invalid_request"),
        (rb'{"dataset": "photos", "\ud800": 1}', b"application/json", 422, "invalid_request"),
    ):
        answer = http.post("/runs", content=content, headers={"Content-Type": content_type})
        assert refusal(answer)[:2] == (status, code)


def test_a_content_type_goes_on_to_the_serving_process_as_it_came(http: httpx.Client) -> None:
    answer = http.post("/classify", content=b"", headers={"Content-Type": b"image/\xe4"})
    assert refusal(answer) == (503, "serving_unreachable", [])
