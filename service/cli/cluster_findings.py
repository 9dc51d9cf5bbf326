"""What `tandem doctor --cluster` looks at: all nodes of Ray's cluster, and whether they fit each other."""

from __future__ import annotations

import shlex
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from service.cli.findings import GIB, SHARED_MEMORY_WANTED_GIB, Finding, Severity
from service.cluster.jobs import RayCluster, RayStatus
from service.domain.node_report import REPORT_MARK, ClusterReport
from service.errors import ClusterUnreachableError
from service.settings import Settings

_JOB_SECONDS: Final = 300.0
_CLOCK_WANTED_SECONDS: Final = 1.0


def cluster_findings(settings: Settings) -> Iterator[Finding]:
    """Every check of the cluster, in the order in which to mend things. A Ray job does the looking."""
    cluster = RayCluster(settings.ray_url, settings.ray_token)
    try:
        report = _reported(cluster, settings)
    except ClusterUnreachableError as error:
        yield Finding(
            "nodes",
            Severity.BLOCKING,
            str(error),
            "set TANDEM_RAY_URL and TANDEM_RAY_TOKEN to the cluster's; the stack of 'tandem up' is one"
            " machine, which 'tandem doctor' checks",
        )
    else:
        yield from findings_of(report)
    finally:
        cluster.close()


def findings_of(report: ClusterReport) -> Iterator[Finding]:
    """What a report means."""
    yield _nodes(report)
    yield from _versions(report)
    yield from _gpus(report)
    yield from _shared_memory(report)
    yield _storage(report)
    if report.storage is not None:
        yield _object_storage(report, report.storage)
    yield _ports(report)
    yield _clocks(report)


def _reported(cluster: RayCluster, settings: Settings) -> ClusterReport:
    """Has the job run and reads what it printed; raises `ClusterUnreachableError` where there is nothing."""
    submission_id = f"doctor-{uuid.uuid4().hex[:12]}"
    arguments = [str(settings.home), *([settings.storage] if settings.storage else [])]
    cluster.submit(submission_id, shlex.join(["tandem-nodes-job", *arguments]), {})
    until = time.monotonic() + _JOB_SECONDS
    while (job := cluster.find(submission_id)) is None or not job.status.is_over:
        if time.monotonic() > until:
            cluster.stop(submission_id)
            raise ClusterUnreachableError(f"the nodes were not looked at within {_JOB_SECONDS:g} s")
        time.sleep(0.5)
    printed = cluster.logs(submission_id).splitlines()
    reports = [line.removeprefix(REPORT_MARK) for line in printed if line.startswith(REPORT_MARK)]
    if job.status is not RayStatus.SUCCEEDED or not reports:
        last = printed[-1] if printed else job.message
        raise ClusterUnreachableError(f"the job that looks at the nodes ended {job.status}: {last}")
    return ClusterReport.model_validate_json(reports[-1])


def _nodes(report: ClusterReport) -> Finding:
    names = ", ".join(node.name for node in report.nodes)
    if report.silent:
        return Finding(
            "nodes",
            Severity.BLOCKING,
            f"{', '.join(report.silent)} did not answer; {names or 'none'} did",
            "restart what runs there, or take it out of the cluster",
        )
    return Finding("nodes", Severity.GOOD, f"{len(report.nodes)}: {names}")


def _versions(report: ClusterReport) -> Iterator[Finding]:
    for library in report.nodes[0].versions if report.nodes else ():
        where = defaultdict(list)
        for node in report.nodes:
            where[node.versions[library]].append(node.name)
        if len(where) == 1:
            yield Finding(library, Severity.GOOD, f"{next(iter(where))} on every node")
        else:
            found = "; ".join(f"{version} on {', '.join(names)}" for version, names in where.items())
            yield Finding(library, Severity.BLOCKING, found, "start every node from the same image")


def _gpus(report: ClusterReport) -> Iterator[Finding]:
    wrong = [node for node in report.nodes if node.gpus_seen != node.gpus_offered]
    for node in wrong:
        yield Finding(
            "GPUs",
            Severity.BLOCKING,
            f"{node.name} offers Ray {node.gpus_offered}, and torch sees {node.gpus_seen} there",
            "give the container its GPUs, or start Ray there with --num-gpus as many as torch sees",
        )
    if not wrong:
        total = sum(node.gpus_seen for node in report.nodes)
        yield Finding("GPUs", Severity.GOOD, f"{total or 'none'} on {len(report.nodes)} node(s)")


def _shared_memory(report: ClusterReport) -> Iterator[Finding]:
    short = [node for node in report.nodes if node.shared_memory_bytes < SHARED_MEMORY_WANTED_GIB * GIB]
    for node in short:
        yield Finding(
            "shared memory",
            Severity.ADVICE,
            f"{node.shared_memory_bytes / GIB:.2f} GiB in /dev/shm on {node.name}",
            "give the container more: shm_size in docker-compose.yml, --shm-size for docker run",
        )
    if not short:
        least = min((node.shared_memory_bytes for node in report.nodes), default=0)
        yield Finding("shared memory", Severity.GOOD, f"{least / GIB:.1f} GiB at least")


def _storage(report: ClusterReport) -> Finding:
    for node in report.nodes:
        if node.home_refusal:
            return Finding(
                "storage",
                Severity.BLOCKING,
                f"{node.name} cannot write below {report.home}: {node.home_refusal}",
                "mount the shared storage there, writable for the user that Ray runs as",
            )
        if node.marks_missed:
            return Finding(
                "storage",
                Severity.BLOCKING,
                f"{node.name} does not see what {', '.join(node.marks_missed)} wrote below {report.home}",
                "mount the same storage on every node, or set TANDEM_HOME to where it is mounted",
            )
    return Finding("storage", Severity.GOOD, f"{report.home} is shared, and every node writes to it")


def _object_storage(report: ClusterReport, url: str) -> Finding:
    refused = [f"{node.name}: {node.storage_refusal}" for node in report.nodes if node.storage_refusal]
    if refused:
        return Finding(
            "object storage",
            Severity.BLOCKING,
            "; ".join(refused),
            "give every node the same credentials and endpoint in its environment",
        )
    return Finding("object storage", Severity.GOOD, f"every node writes and reads {url}")


def _ports(report: ClusterReport) -> Finding:
    apart = [(node.name, other) for node in report.nodes for other in node.unreached]
    if apart:
        return Finding(
            "ports",
            Severity.BLOCKING,
            "no connection from " + "; ".join(f"{one} to {other}" for one, other in apart),
            "open ports 10002 to 19999 between the nodes",
        )
    return Finding("ports", Severity.GOOD, "every node connects to every other")


def _clocks(report: ClusterReport) -> Finding:
    off = {
        node.name: node.clock_ahead_seconds
        for node in report.nodes
        if abs(node.clock_ahead_seconds) - node.clock_within_seconds > _CLOCK_WANTED_SECONDS
    }
    if off:
        found = ", ".join(f"{name} by {ahead:+.1f} s" for name, ahead in off.items())
        return Finding(
            "clocks", Severity.ADVICE, f"off: {found}", "synchronise them: chrony or systemd-timesyncd"
        )
    return Finding("clocks", Severity.GOOD, f"within {_CLOCK_WANTED_SECONDS:g} s of each other")
