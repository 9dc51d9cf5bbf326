"""What `tandem doctor --cluster` makes of the nodes' reports."""

from __future__ import annotations

from typing import Any

import pytest

from service.cli.cluster_findings import cluster_findings, findings_of
from service.cli.findings import GIB, Finding, Severity
from service.domain.node_report import ClusterReport, NodeReport
from service.settings import Settings


def node(name: str, **differing: Any) -> NodeReport:
    fit = {
        "versions": {"python": "3.11.2", "torch": "2.13.0"},
        "gpus_offered": 2,
        "gpus_seen": 2,
        "shared_memory_bytes": 2 * GIB,
        "home_refusal": None,
        "marks_missed": (),
        "clock_ahead_seconds": 0.01,
        "clock_within_seconds": 0.02,
        "unreached": (),
    }
    return NodeReport(name=name, **(fit | differing))


def found(*nodes: NodeReport, silent: tuple[str, ...] = ()) -> dict[str, Finding]:
    report = ClusterReport(home="/var/lib/tandem", nodes=nodes, silent=silent)
    return {finding.subject: finding for finding in findings_of(report)}


def test_nodes_that_fit_each_other_are_good() -> None:
    findings = found(node("head"), node("one"), node("two"))
    assert {finding.severity for finding in findings.values()} == {Severity.GOOD}
    assert findings["nodes"].found == "3: head, one, two"
    assert findings["torch"].found == "2.13.0 on every node"
    assert findings["GPUs"].found == "6 on 3 node(s)"


@pytest.mark.parametrize(
    ("subject", "differing", "severity", "words"),
    [
        (
            "torch",
            {"versions": {"python": "3.11.2", "torch": "2.12.0"}},
            Severity.BLOCKING,
            ["2.13.0 on head", "2.12.0 on one"],
        ),
        ("GPUs", {"gpus_seen": 0}, Severity.BLOCKING, ["one offers Ray 2", "torch sees 0"]),
        ("shared memory", {"shared_memory_bytes": GIB // 16}, Severity.ADVICE, ["0.06 GiB", "one"]),
        (
            "storage",
            {"home_refusal": "Read-only file system"},
            Severity.BLOCKING,
            ["one", "/var/lib/tandem", "Read-only file system"],
        ),
        ("storage", {"marks_missed": ("head",)}, Severity.BLOCKING, ["one does not see what head wrote"]),
        ("ports", {"unreached": ("head",)}, Severity.BLOCKING, ["one to head"]),
        ("clocks", {"clock_ahead_seconds": -7.5}, Severity.ADVICE, ["one by -7.5 s"]),
    ],
)
def test_a_node_that_does_not_fit_is_named_and_what_to_do_is_said(
    subject: str, differing: dict[str, Any], severity: Severity, words: list[str]
) -> None:
    findings = found(node("head"), node("one", **differing))
    assert findings[subject].severity is severity
    assert findings[subject].remedy
    for word in words:
        assert word in findings[subject].found
    assert {f.severity for name, f in findings.items() if name != subject} == {Severity.GOOD}


def test_a_clock_that_could_not_be_read_exactly_is_not_blamed() -> None:
    loose = node("one", clock_ahead_seconds=3.0, clock_within_seconds=2.5)
    assert found(node("head"), loose)["clocks"].severity is Severity.GOOD


def test_a_node_that_says_nothing_is_blocking() -> None:
    findings = found(node("head"), silent=("one",))
    assert findings["nodes"].severity is Severity.BLOCKING
    assert "one did not answer" in findings["nodes"].found


def test_a_cluster_that_does_not_answer_is_one_finding_that_says_what_to_set() -> None:
    (finding,) = cluster_findings(Settings(ray_url="http://127.0.0.1:9"))
    assert finding.severity is Severity.BLOCKING
    assert "TANDEM_RAY_URL" in finding.remedy


def test_a_node_that_cannot_use_object_storage_is_named() -> None:
    refused = node("two", storage_refusal="s3://photos may not be read: check the credentials")
    report = ClusterReport(home="/home", storage="s3://photos", nodes=(node("one"), refused), silent=())
    storage = {finding.subject: finding for finding in findings_of(report)}["object storage"]
    assert storage.severity is Severity.BLOCKING
    assert storage.found == "two: s3://photos may not be read: check the credentials"
    assert "environment" in storage.remedy
