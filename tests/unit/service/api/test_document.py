"""The API's OpenAPI document says of every route who may ask it, and each way in which it can refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.api.app import create_app
from service.settings import Settings

OPEN = {"healthz", "readyz"}


@pytest.fixture
def document(tmp_path: Path) -> Iterator[dict[str, Any]]:
    app = create_app(Settings(home=tmp_path))
    yield app.openapi()
    app.state.control_plane.database.close()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [operation for path in document["paths"].values() for operation in path.values()]
    by_name = {operation["operationId"]: operation for operation in found}
    assert len(by_name) == len(found)
    return by_name


def codes(response: dict[str, Any]) -> list[str]:
    return re.findall("- `([a-z_]+)`: [A-Z]", response["description"])


def test_every_route_but_the_probes_wants_a_token_with_a_scope(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for name, operation in operations(document).items():
        if name in OPEN:
            assert "security" not in operation
            continue
        ((scope,),) = (wanted["token"] for wanted in operation["security"])
        assert scope in {"read", "write", "predict"}
        assert {"401", "403", "429", "503"} <= set(operation["responses"])


def test_every_refusal_is_a_problem_with_its_codes(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status < "400" or name in OPEN:
                continue
            schema = {"$ref": "#/components/schemas/Problem"}
            assert response["content"] == {"application/problem+json": {"schema": schema}}
            assert codes(response)


def test_one_status_lists_what_all_routes_and_this_one_mean_by_it(document: dict[str, Any]) -> None:
    responses = operations(document)["create_run"]["responses"]
    assert codes(responses["422"]) == [
        "invalid_request",
        "invalid_spec",
        "infeasible",
        "idempotency_mismatch",
    ]
    assert codes(responses["413"]) == ["payload_too_large"]
    assert "cluster_unreachable" in codes(responses["503"])
    assert "422" not in operations(document)["get_run"]["responses"], "any text may be asked for as a run"


def test_answers_tell_where_what_was_made_is_and_when_to_ask_again(document: dict[str, Any]) -> None:
    found = operations(document)
    for name, status in (("create_run", "202"), ("create_dataset", "202"), ("publish", "201")):
        assert found[name]["responses"][status]["headers"]["Location"]["required"]
    for status in ("429", "503"):
        assert found["classify"]["responses"][status]["headers"]["Retry-After"]["required"]
    assert "WWW-Authenticate" in found["list_runs"]["responses"]["401"]["headers"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    wanted = set(re.findall('"#/components/schemas/([^"]+)"', text))
    assert wanted == set(document["components"]["schemas"])


def test_everything_that_is_referred_to_is_there(document: dict[str, Any]) -> None:
    referred = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))
    schemas = document["components"]["schemas"]
    assert referred
    assert {reference.removeprefix("#/components/schemas/") for reference in referred} <= set(schemas)
