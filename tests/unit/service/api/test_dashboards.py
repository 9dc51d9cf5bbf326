"""The dashboards and alerts that are shipped: whole, and asking for nothing that nobody tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from dashboards import ROOT, Query, all_queries, dashboards, metrics_in, panel_queries, rules
from prometheus_client import Metric

from service.serving.metrics import ServingMetrics

PROVISIONING: Final = ROOT / "deploy" / "grafana" / "provisioning"
# Those that Grafana has without a plugin, as far as they are used.
PANELS: Final = {"timeseries", "stat", "bargauge", "state-timeline", "table"}
OF_PROMETHEUS: Final = {"up", "ALERTS"}
COLUMNS: Final = 24
NAMED: Final = list(dashboards().items())


def names(families: Iterator[Metric]) -> set[str]:
    """The metrics that a scrape finds of families."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    return {f"{family.name}{suffix}" for family in families for suffix in suffixes[family.type]}


@pytest.fixture(scope="module")
def of_ray() -> set[str]:
    """What Ray's agent tells of its node, GPUs among it."""
    from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

    return {f"ray_{name}" for name in METRICS_GAUGES}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_metric_that_a_dashboard_or_an_alert_names_is_told_by_us_or_by_ray(
    server, of_ray: set[str]
) -> None:
    api, serving = server.plane.metrics.registry, ServingMetrics().registry
    known = names(api.collect()) | names(serving.collect()) | of_ray | OF_PROMETHEUS
    asked = [*all_queries(), *(Query(rule["alert"], rule["expr"]) for rule in rules())]
    unknown = {query.asker: found for query in asked if (found := metrics_in(query.expression) - known)}
    assert unknown == {}


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ("tandem_queue_length", {"tandem_queue_length"}),
        ('sum by (kind, state) (tandem_jobs{kind="run"}) or vector(0)', {"tandem_jobs"}),
        (
            'histogram_quantile(0.5, sum by (le, model) (rate(a_bucket{model=~"$model"}[$__rate_interval])))',
            {"a_bucket"},
        ),
        ("max_over_time(count(up == 1)[30m:]) / on (ip) group_left () other", {"up", "other"}),
    ],
)
def test_names_of_metrics_are_found_in_promql(expression: str, metrics: set[str]) -> None:
    assert metrics_in(expression) == metrics


def test_there_is_a_dashboard_for_each_part_and_each_has_a_uid_of_its_own() -> None:
    assert {name: whole["uid"] for name, whole in NAMED} == {
        "cluster": "tandem-cluster",
        "loader": "tandem-loader",
        "serving": "tandem-serving",
        "training": "tandem-training",
    }


@pytest.mark.parametrize(("name", "whole"), NAMED)
def test_every_panel_is_one_that_grafana_has_and_says_what_it_shows(name: str, whole: dict[str, Any]) -> None:
    panels = whole["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in PANELS, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


@pytest.mark.parametrize(("name", "whole"), NAMED)
def test_panels_lie_beside_each_other_and_never_on_one_another(name: str, whole: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in whole["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(("name", "whole"), NAMED)
def test_every_variable_that_is_used_is_there_and_every_one_that_is_there_is_used(
    name: str, whole: dict[str, Any]
) -> None:
    used = set().union(*(query.variables for query in panel_queries(name, whole)))
    assert used == {variable["name"] for variable in whole["templating"]["list"]}


def data_sources(value: Any) -> Iterator[dict[str, str]]:
    """Every reference to a data source, however deep."""
    if isinstance(value, dict):
        if "datasource" in value:
            yield value["datasource"]
        for inner in value.values():
            yield from data_sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from data_sources(inner)


@pytest.mark.parametrize(("name", "whole"), NAMED)
def test_every_panel_asks_the_data_source_that_is_provisioned(name: str, whole: dict[str, Any]) -> None:
    provisioned = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())
    (source,) = provisioned["datasources"]
    found = list(data_sources(whole))
    assert len(found) >= len(whole["panels"])
    assert all(each == {"type": source["type"], "uid": source["uid"]} for each in found)


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
