"""`tandem doctor --cluster` on a real stack: a job looks at the node, and what it says is true."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from pydantic import SecretStr

from service.cli.cluster_findings import cluster_findings
from service.cli.findings import Severity
from service.stack.up import Stack

pytestmark = pytest.mark.cluster


def test_a_fit_cluster_is_found_fit_and_nothing_is_left_behind(stack: Stack) -> None:
    found = {finding.subject: finding for finding in cluster_findings(stack.settings)}
    assert {finding.severity for finding in found.values()} <= {Severity.GOOD, Severity.ADVICE}, found
    assert found["nodes"].found.startswith("1: ")
    assert found["torch"].found == f"{version('torch')} on every node"
    assert found["GPUs"].found == f"{torch.cuda.device_count() or 'none'} on 1 node(s)"
    assert str(stack.settings.home) in found["storage"].found
    assert not list(stack.settings.home.glob(".doctor-*"))


def test_a_home_that_no_node_can_write_to_is_blocking(stack: Stack, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    settings = stack.settings.model_copy(update={"home": in_the_way / "home"})
    found = {finding.subject: finding for finding in cluster_findings(settings)}
    assert found["storage"].severity is Severity.BLOCKING
    assert str(in_the_way) in found["storage"].found
    assert in_the_way.read_bytes() == b""


def test_a_wrong_token_is_blocking(stack: Stack) -> None:
    settings = stack.settings.model_copy(update={"ray_token": SecretStr("another")})
    (finding,) = cluster_findings(settings)
    assert finding.severity is Severity.BLOCKING
    assert "TANDEM_RAY_TOKEN" in finding.remedy
