"""What Prometheus is told of the disk that everything lies on."""

from __future__ import annotations

import shutil

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def storage(server) -> dict[str, float]:
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text)
    return {
        family.name: family.samples[0].value
        for family in families
        if family.name.startswith("tandem_storage")
    }


def test_its_size_and_what_is_free_are_told_while_it_is_there(server) -> None:
    disk = shutil.disk_usage(server.settings.home)
    found = storage(server)
    assert found["tandem_storage_up"] == 1
    assert found["tandem_storage_bytes"] == disk.total
    assert 0 < found["tandem_storage_free_bytes"] <= disk.total


def test_while_a_folder_is_away_no_size_is_told_for_it_would_be_another_disks(server) -> None:
    runs = server.settings.runs
    runs.rename(runs.with_name("elsewhere"))
    assert storage(server) == {"tandem_storage_up": 0}
