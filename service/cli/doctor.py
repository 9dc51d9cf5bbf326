"""`tandem doctor`: is this machine, or a cluster of them, fit, and what would make it so."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from service.cli.cluster_findings import cluster_findings
from service.cli.exit_code import ExitCode
from service.cli.findings import Finding, Severity, findings
from service.cli.output import print_json, results
from service.settings import Settings

MARKS = {Severity.GOOD: "ok  ", Severity.ADVICE: "note", Severity.BLOCKING: "BAD "}


def doctor(
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Check all nodes of Ray's cluster too; where the server runs."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON object.")] = False,
) -> None:
    """Check this machine.

    Says what to do about each finding; exits 1 when one of them keeps Tandem from working.
    """
    found: list[Finding] = []
    settings = Settings()
    for finding in chain(findings(settings), cluster_findings(settings) if cluster else ()):
        found.append(finding)
        if not as_json:
            results.print(f"{MARKS[finding.severity]} {finding.subject:<14} {finding.found}")
            if finding.remedy:
                results.print(f"     {'':<14} → {finding.remedy}")
    blocking = any(finding.severity is Severity.BLOCKING for finding in found)
    if as_json:
        print_json({"fit": not blocking, "findings": [finding._asdict() for finding in found]})
    if blocking:
        raise typer.Exit(ExitCode.FAILED)
