"""Prometheus and Grafana as docker-compose.yml lays them out: only where asked for, and closed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboards import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
TOKEN_FILE = "/run/tandem/token"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_nothing_of_it_is_started_unless_its_profile_is_asked_for(services: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert [name for name, own in profiles.items() if own] == ["prometheus", "grafana"]
    assert profiles["prometheus"] == profiles["grafana"] == ["monitoring"]


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_it_is_contained_like_the_others_and_its_configuration_cannot_be_written(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["healthcheck"]["test"][0] == "CMD"
    for volume in service["volumes"]:
        source, target, *mode = volume.split(":")
        if source.startswith("./"):
            assert any((ROOT / source).iterdir()), volume
            assert mode == ["ro"], volume
            assert target.startswith("/etc/")


def test_grafana_alone_is_published_and_on_this_machine_alone(services: dict[str, Any]) -> None:
    assert "ports" not in services["prometheus"]
    assert services["grafana"]["ports"] == ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"]


def test_grafana_lets_nobody_in_without_the_password_of_env_and_asks_nobody_outside(
    services: dict[str, Any],
) -> None:
    settings = services["grafana"]["environment"]
    assert settings["GF_SECURITY_ADMIN_PASSWORD"] == '${GRAFANA_PASSWORD:?run "make env" first}'
    off = {
        "GF_AUTH_ANONYMOUS_ENABLED",
        "GF_USERS_ALLOW_SIGN_UP",
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED",
    }
    assert {settings[name] for name in off} == {"false"}
    assert settings["GF_SECURITY_DISABLE_GRAVATAR"] == settings["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


def test_prometheus_scrapes_the_ports_that_the_services_listen_on(services: dict[str, Any]) -> None:
    jobs = {job["job_name"]: job for job in read_config()["scrape_configs"]}
    assert jobs["api"]["static_configs"] == [{"targets": ["api:8000"]}]
    assert "--port 8000" in services["api"]["command"]
    for job, option in (("serving", "--port {}"), ("ray", "--metrics-export-port={}")):
        (discovery,) = jobs[job]["dns_sd_configs"]
        assert discovery["type"] == "A"
        for name in discovery["names"]:
            assert option.format(discovery["port"]) in services[name]["command"]


def test_the_token_is_where_prometheus_looks_for_it_and_the_api_knows_it(services: dict[str, Any]) -> None:
    (api, *_) = read_config()["scrape_configs"]
    assert api["authorization"] == {"credentials_file": TOKEN_FILE}
    service = services["prometheus"]
    assert f"> {TOKEN_FILE} " in " ".join(service["entrypoint"])
    assert [tmpfs.partition(":")[0] for tmpfs in service["tmpfs"]] == [str(Path(TOKEN_FILE).parent)]
    secret = service["environment"]["TANDEM_METRICS_TOKEN"]
    assert services["api"]["environment"]["TANDEM_METRICS_TOKEN"] == secret


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    token, config = tmp_path / "token", tmp_path / "prometheus" / "prometheus.yaml"
    token.write_text("secret")
    config.write_text(config.read_text().replace(TOKEN_FILE, str(token)))
    assert "SUCCESS: 10 rules found" in promtool("check", "config", config)


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    assert "SUCCESS" in promtool("test", "rules", ROOT / "tests" / "material" / "alerts.yaml")


def read_config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    return config


def promtool(*arguments: object) -> str:
    """What it printed; skips without it."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    command = ["promtool", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout
