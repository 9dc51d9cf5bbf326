"""The provisioned dashboards as tests look at them: their panels' queries, and the metrics these name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy" / "grafana" / "dashboards"
RULES: Final = ROOT / "deploy" / "prometheus" / "rules.yaml"
_VARIABLE: Final = re.compile(r"\$(?!__)(\w+)")
# Matchers, ranges and texts; then lists of labels; then, what is called.
_NOT_NAMES: Final = (
    r"""\{[^}]*\}|\[[^\]]*\]|"[^"]*"|'[^']*'""",
    r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)",
    r"\b[a-z_0-9]+\s*(?=\()",
)
_WORDS: Final = frozenset({"or", "and", "unless", "bool", "offset"})


class Query(NamedTuple):
    """What a panel, or a dashboard's variable, asks Prometheus for."""

    asker: str
    expression: str

    def with_all(self, interval: str) -> str:
        """The expression as Grafana sends it: every variable at All, rates taken over an interval."""
        return _VARIABLE.sub(".*", self.expression.replace("$__rate_interval", interval))

    @property
    def variables(self) -> set[str]:
        return set(_VARIABLE.findall(self.expression))


def dashboards() -> dict[str, dict[str, Any]]:
    """The dashboards by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panel_queries(name: str, dashboard: Mapping[str, Any]) -> Iterator[Query]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield Query(f"{name}: {panel['title']} {target['refId']}", target["expr"])


def variable_queries(name: str, dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """The metrics whose labels a dashboard's variables may take as values."""
    for variable in dashboard["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
        assert asked, variable
        yield Query(f"{name}: ${variable['name']}", asked[1])


def all_queries() -> list[Query]:
    return [
        query
        for name, dashboard in dashboards().items()
        for query in (*panel_queries(name, dashboard), *variable_queries(name, dashboard))
    ]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics_in(expression: str) -> set[str]:
    """The names of the metrics in PromQL."""
    for pattern in _NOT_NAMES:
        expression = re.sub(pattern, " ", expression)
    return set(re.findall(r"[a-zA-Z_:][\w:]*", expression)) - _WORDS
