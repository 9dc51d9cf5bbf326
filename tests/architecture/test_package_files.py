"""`service`, `pipeline` and `model` are names others use too: the ones imported must be this project's."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["service", "pipeline", "model"])
def test_package_is_the_one_in_this_checkout(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ == str(ROOT / name / "__init__.py")


def test_no_package_under_tests_could_shadow_one() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils.py", "util.py", "common.py", "core.py", "helpers.py", "misc.py"}
    files = [path for room in ("service", "pipeline", "model") for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 50
    assert [path for path in files if path.name in vague] == []
