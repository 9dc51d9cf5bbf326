"""What the nodes of a cluster say of themselves and of each other."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

# What a job prints before its report, on a line of its own among whatever libraries print.
REPORT_MARK = "tandem-nodes:"


class NodeReport(BaseModel):
    """One living node.

    `gpus_offered` is what it tells Ray that it has, `gpus_seen` what torch finds there. `home_refusal` says
    why nothing can be written below the home, `marks_missed` which nodes' files there it does not see. Its
    clock was `clock_ahead_seconds` ahead of the job's, give or take `clock_within_seconds`. `unreached` are
    the nodes to which it could not connect. `storage_refusal` says why object storage, where there is one,
    cannot be used from there.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    versions: dict[str, str]
    gpus_offered: int
    gpus_seen: int
    shared_memory_bytes: int
    home_refusal: str | None
    marks_missed: tuple[str, ...]
    clock_ahead_seconds: float
    clock_within_seconds: float
    unreached: tuple[str, ...]
    storage_refusal: str | None = None


class ClusterReport(BaseModel):
    """All living nodes; `silent` are those that Ray counts as alive and that did not answer."""

    model_config = ConfigDict(frozen=True)

    home: str
    storage: str | None = None
    nodes: tuple[NodeReport, ...]
    silent: tuple[str, ...]
