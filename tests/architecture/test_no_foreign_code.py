"""Data never becomes code: nothing in the three rooms unpickles, evaluates, or imports what data names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("service", "pipeline", "model")
# Each runs code that its input chooses.
UNPICKLERS = {
    "pickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
    "pandas",
}
EVALUATORS = {"eval", "exec", "compile", "__import__"}
UNSAFE_YAML = {"load", "load_all", "full_load", "unsafe_load", "unsafe_load_all"}
# A table of our own commands, each imported when it is called.
MAY_IMPORT_BY_NAME = {Path("service/cli/commands.py")}


def found_in(source: str, *, may_import_by_name: bool = False) -> Iterator[str]:
    """What in a module could make code of data, as `line: what`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported = {name for alias in node.names for name in alias.name.split(".")}
        elif isinstance(node, ast.ImportFrom):
            imported = {*(node.module or "").split("."), *(alias.name for alias in node.names)}
        else:
            imported = set()
        yield from (f"{node.lineno}: imports {name}" for name in imported & UNPICKLERS)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            if _is_unsafe(called, options, may_import_by_name=may_import_by_name):
                yield f"{node.lineno}: {ast.unparse(node)}"


def _is_unsafe(called: str, options: dict[str | None, str], *, may_import_by_name: bool) -> bool:
    if called == "torch.load":
        return options.get("weights_only") != "True"
    if called in {"np.load", "numpy.load"}:
        return options.get("allow_pickle", "False") != "False"
    if called in {f"yaml.{name}" for name in UNSAFE_YAML}:
        return True
    if called.endswith("import_module"):
        return not may_import_by_name
    return called in EVALUATORS


def test_no_module_makes_code_of_data() -> None:
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 50
    found = {}
    for path in modules:
        place = path.relative_to(ROOT)
        found[place] = list(found_in(path.read_text(), may_import_by_name=place in MAY_IMPORT_BY_NAME))
    assert {str(place): each for place, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from ray import cloudpickle",
        "import ray.cloudpickle as cp",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "numpy.load(path, allow_pickle=trusted)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "__import__(name)",
        "importlib.import_module(spec['class'])",
    ],
)
def test_it_would_be_found(source: str) -> None:
    assert list(found_in(f"def read():\n    {source}\n")) != []


@pytest.mark.parametrize(
    "source",
    ["torch.load(path, weights_only=True)", "np.load(path)", "np.load(path, allow_pickle=False)",
     "yaml.safe_load(text)", "network.eval()"],
)  # fmt: skip
def test_what_is_safe_is_left_alone(source: str) -> None:
    assert list(found_in(source)) == []
