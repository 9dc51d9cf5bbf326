"""Ray's living nodes: what each has, how much of it is in use, and whose workers it holds."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

import httpx
from pydantic import AliasPath, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from service.cluster.head import RayHead
from service.cluster.lately import Lately
from service.errors import ClusterUnreachableError

# Somebody waits for it in front of a page.
LOOK_SECONDS: Final = 5.0
# What the head tells of its machines it hears from them every 5 s, and it is long: 20 kB of each.
MACHINE_SECONDS: Final = 5.0
# The most that Ray gives. It refuses to be asked for more.
MOST: Final = "10000"
# The class of the actors in which Ray Train runs a worker.
TRAIN_WORKER: Final = "RayTrainWorker"

# Lines for people, and the one place where Ray tells it whichever of its two autoscalers it has.
_USED: Final = re.compile(r"^(?P<used>[0-9.e+-]+)/[0-9.e+-]+ (?P<resource>CPU|GPU)\b", re.MULTILINE)


class Memory(NamedTuple):
    """A node's own, whoever uses it."""

    total_bytes: int
    used_bytes: int


@dataclass(frozen=True)
class Machine:
    """What a node tells of itself every few seconds; None, or nothing, where it has not yet.

    `used` is how much of its CPUs and GPUs Ray has given out.
    """

    memory: Memory | None = None
    gpu_names: Sequence[str] | None = None
    used: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LivingNode:
    """`workers` and `tasks` say how many of a job's are there, by the id that it was submitted with."""

    id: str
    address: str
    is_head: bool
    cpus: float
    gpus: float
    machine: Machine
    workers: Mapping[str, int]
    tasks: Mapping[str, int]


class _Told(BaseModel):
    """Part of an answer of Ray's: the fields that are read here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Node(_Told):
    node_id: str
    node_ip: str
    is_head_node: bool
    resources_total: dict[str, float] | None


class _Work(_Told):
    job_id: str
    node_id: str | None


class _Job(_Told):
    job_id: str | None
    submission_id: str | None


class _Gpu(_Told):
    name: str


class _Figures(_Told):
    node_id: str | None = Field(default=None, validation_alias=AliasPath("raylet", "nodeId"))
    # Total, available, percent used, used.
    mem: tuple[int, int, float, int] | None = None
    gpus: list[_Gpu] | None = None


class _Machines(_Told):
    figures: list[_Figures] = Field(validation_alias=AliasPath("data", "summary"))
    resources: dict[str, str] = Field(validation_alias=AliasPath("data", "nodeLogicalResources"))


T = TypeVar("T", bound=_Told)


class _Listed(_Told, Generic[T]):
    rows: list[T] = Field(validation_alias=AliasPath("data", "result", "result"))


class RayNodes:
    """The nodes as the head's dashboard shows them, in at most five requests however many there are.

    Raises `ClusterUnreachableError` when the head does not answer as Ray does.
    """

    def __init__(self, url: str, token: SecretStr | None = None) -> None:
        self._head = RayHead(url, token)
        first = ClusterUnreachableError(f"Ray's machines at {url} are being asked for: try again in a moment")
        self._machines = Lately(self._ask_machines, MACHINE_SECONDS, first)

    def look(self, *, with_tasks: bool) -> list[LivingNode]:
        """Every living node, the head first and the others by their addresses.

        Without tasks, which are many and which only some jobs have, none are told of.
        """
        nodes = self._list(_Node, "nodes", state="ALIVE", detail="1")
        workers = self._list(_Work, "actors", state="ALIVE", class_name=TRAIN_WORKER)
        tasks = self._list(_Work, "tasks", state="RUNNING", type="NORMAL_TASK") if with_tasks else []
        submitted = self._submitted() if workers or tasks else {}
        machines = self._machines.get()
        workers_on, tasks_on = _by_node(workers, submitted), _by_node(tasks, submitted)
        found = [
            LivingNode(
                id=node.node_id,
                address=node.node_ip,
                is_head=node.is_head_node,
                cpus=(node.resources_total or {}).get("CPU", 0.0),
                gpus=(node.resources_total or {}).get("GPU", 0.0),
                machine=machines.get(node.node_id, Machine()),
                workers=workers_on[node.node_id],
                tasks=tasks_on[node.node_id],
            )
            for node in nodes
        ]
        return sorted(found, key=lambda node: (not node.is_head, node.address, node.id))

    def close(self) -> None:
        self._head.close()

    def _submitted(self) -> dict[str, str]:
        """By the id that Ray gave a job, which its actors and tasks tell, the one it was submitted with."""
        jobs = self._list(_Job, "jobs", status="RUNNING")
        return {job.job_id: job.submission_id for job in jobs if job.job_id and job.submission_id}

    def _ask_machines(self) -> dict[str, Machine]:
        # Left to its own memory, the head tells what it told whoever asked last, however long ago.
        params = {"view": "summary", "nocache": "1"}
        response = self._head.send("GET", "/nodes", params=params, timeout=LOOK_SECONDS)
        if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            # A head that has just begun stumbles here, until its autoscaler has looked at the nodes once.
            return {}
        told = self._parsed(_Machines, self._head.payload(response))
        used = {node_id: _used(text) for node_id, text in told.resources.items()}
        return {
            figures.node_id: Machine(
                memory=Memory(figures.mem[0], figures.mem[3]) if figures.mem else None,
                gpu_names=None if figures.gpus is None else [gpu.name for gpu in figures.gpus],
                used=used.get(figures.node_id, {}),
            )
            for figures in told.figures
            if figures.node_id is not None
        }

    def _list(self, row: type[T], what: str, detail: str = "0", **wanted: str) -> list[T]:
        """What Ray's State API lists of those whose fields have the wanted values."""
        params = [("detail", detail), ("limit", MOST)]
        for key, value in wanted.items():
            params += [("filter_keys", key), ("filter_predicates", "="), ("filter_values", value)]
        answer = self._head.call("GET", f"/api/v0/{what}", params=params, timeout=LOOK_SECONDS)
        return self._parsed(_Listed[row], answer).rows  # type: ignore[valid-type]

    def _parsed(self, form: type[T], told: Any) -> T:
        try:
            return form.model_validate(told)
        except ValidationError as error:
            raise ClusterUnreachableError(
                f"what answers at {self._head.url} does not speak as Ray's head does: {error.errors()[0]}"
            ) from error


def _by_node(work: Sequence[_Work], submitted: Mapping[str, str]) -> defaultdict[str, Counter[str]]:
    """How much of each submitted job's work there is on each node."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in work:
        if each.node_id is not None and each.job_id in submitted:
            found[each.node_id][submitted[each.job_id]] += 1
    return found


def _used(text: str) -> dict[str, float]:
    """From lines such as `1.0/2.0 CPU (1.0 used of 1.0 reserved in placement groups)`."""
    return {found["resource"]: float(found["used"]) for found in _USED.finditer(text)}
