"""On Kubernetes the processes are docker-compose's: image, command, environment, checks, memory, volumes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes_objects import Objects, Pod

from service.http.grace import grace_seconds
from service.settings import Settings
from service.stack.processes import TERMINATE_SECONDS

Services = dict[str, dict[str, Any]]
NAMES = ("postgres", "ray-head", "ray-worker", "serving", "api")
# Of .env or the shell, for which an overlay on Kubernetes has its ConfigMap.
SETTINGS = {
    "serving": {
        "TANDEM_DEFAULT_MODEL",
        "TANDEM_MAX_PIXELS",
        "TANDEM_MAX_UPLOAD_BYTES",
        "TANDEM_REQUEST_SECONDS",
        "TANDEM_SERVING_PROCESSES",
    },
    "api": {
        "TANDEM_CORS_ORIGINS",
        "TANDEM_MAX_UPLOAD_BYTES",
        "TANDEM_REQUEST_SECONDS",
        "TANDEM_REQUESTS_PER_SECOND",
    },
}
UNITS = {"Mi": 2**20, "Gi": 2**30, "mb": 2**20, "m": 2**20, "gb": 2**30, "g": 2**30}


def defaulted(text: str) -> str:
    """What docker-compose makes of a text where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def size_bytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", defaulted(text)).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def start_params(command: str) -> dict[str, str]:
    """The options of `ray start` as KubeRay is told them; it adds --block, --head and --address itself."""
    options = (word.removeprefix("--").partition("=") for word in shlex.split(defaulted(command))[2:])
    return {name: value or "true" for name, _, value in options if name not in {"head", "address", "block"}}


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_docker_composes(base: Objects, compose: Services, name: str) -> None:
    assert base.pods[name].container["image"] == defaulted(compose[name]["image"])


@pytest.mark.parametrize("name", ["serving", "api"])
def test_the_command_is_docker_composes(base: Objects, compose: Services, name: str) -> None:
    assert base.pods[name].container["command"] == shlex.split(compose[name]["command"])


def test_ray_is_started_with_the_same_options(rendered: Callable[[str], Objects], compose: Services) -> None:
    objects = rendered("overlays/cpu")
    assert objects.ray["headGroupSpec"]["rayStartParams"] == start_params(compose["ray-head"]["command"])
    # KubeRay makes --num-cpus of the limit.
    cpus = objects.pods["ray-worker"].container["resources"]["limits"]["cpu"]
    assert {**objects.ray_workers["rayStartParams"], "num-cpus": cpus} == start_params(
        compose["ray-worker"]["command"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_memory_is_limited_as_it_is_there(
    base: Objects, compose: Services, compose_with_gpus: Services, name: str
) -> None:
    service = {**compose[name], **compose_with_gpus.get(name, {})}
    pod = base.pods[name]
    resources = pod.container["resources"]
    assert size_bytes(resources["limits"]["memory"]) == size_bytes(service["mem_limit"])
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    if "shm_size" in service:
        volume = pod.mounted("/dev/shm")["emptyDir"]
        assert volume["medium"] == "Memory"
        assert size_bytes(volume["sizeLimit"]) == size_bytes(service["shm_size"])


def test_workers_without_gpus_are_docker_composes(
    rendered: Callable[[str], Objects], compose: Services
) -> None:
    pod, service = rendered("overlays/cpu").pods["ray-worker"], compose["ray-worker"]
    limits = pod.container["resources"]["limits"]
    assert limits.keys() == {"cpu", "memory"}
    assert size_bytes(limits["memory"]) == size_bytes(service["mem_limit"])
    assert size_bytes(pod.mounted("/dev/shm")["emptyDir"]["sizeLimit"]) == size_bytes(service["shm_size"])


def test_a_worker_has_two_gpus(base: Objects, compose_with_gpus: Services) -> None:
    (device,) = compose_with_gpus["ray-worker"]["deploy"]["resources"]["reservations"]["devices"]
    resources = base.pods["ray-worker"].container["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == int(defaulted(device["count"])) == 2
    assert resources["requests"]["nvidia.com/gpu"] == 2


@pytest.mark.parametrize(
    ("name", "but"),
    [
        # Serving speaks to nobody, and Ray's token is given to the API and to Ray alone.
        ("serving", {"TANDEM_RAY_TOKEN", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}),
        ("api", {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}),
        # KubeRay sets them by authOptions; jobs have no use for the API's.
        ("ray-head", {"TANDEM_RAY_TOKEN", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}),
        ("ray-worker", {"TANDEM_RAY_TOKEN", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}),
        ("postgres", set()),
    ],
)
def test_the_environment_says_the_same(base: Objects, compose: Services, name: str, but: set[str]) -> None:
    told = {variable for variable, value in compose[name]["environment"].items() if value is not None}
    # Docker's own health check asks there.
    wanted = told - {"TANDEM_HEALTH_URL"} - but
    pod = base.pods[name]
    given = pod.env.keys() | base.get("ConfigMap", "tandem")["data"].keys()
    assert wanted <= given
    for variable, said in pod.env.items():
        if "value" in said and variable in wanted - {"TANDEM_DATABASE_URL"}:
            assert said["value"] == compose[name]["environment"][variable]


@pytest.mark.parametrize("name", ["ray-head", "ray-worker", "serving", "api"])
def test_object_storage_is_told_by_a_secret_where_there_is_one(
    base: Objects, compose: Services, name: str
) -> None:
    passed_on = {variable for variable, value in compose[name]["environment"].items() if value is None}
    assert passed_on - SETTINGS.get(name, set()) == {
        "TANDEM_STORAGE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "TANDEM_CACHE_BYTES",
    }
    pod = base.pods[name]
    assert {"secretRef": {"name": "object-storage", "optional": True}} in pod.container["envFrom"]
    # Not in memory, and not the mount itself: a cache is a folder of the user's own.
    mount, _, _ = base.get("ConfigMap", "tandem")["data"]["TANDEM_CACHE"].rpartition("/")
    assert pod.mounted(mount)["emptyDir"] == {}


@pytest.mark.parametrize("name", ["serving", "api"])
def test_settings_of_the_server_reach_it_by_their_own_names(
    base: Objects, compose: Services, name: str
) -> None:
    environment = compose[name]["environment"].items()
    assert SETTINGS[name] <= {variable for variable, value in environment if value is None}
    assert SETTINGS[name] <= {f"TANDEM_{field.upper()}" for field in Settings.model_fields}
    assert {"configMapRef": {"name": "tandem"}} in base.pods[name].container["envFrom"]


def test_docker_stops_the_api_before_what_it_has_requests_at(compose: Services) -> None:
    assert set(compose["api"]["depends_on"]) == {"postgres", "serving"}


@pytest.mark.parametrize("name", ["serving", "api"])
@pytest.mark.parametrize("request_seconds", [30, 300])
def test_docker_waits_until_what_was_accepted_is_answered(
    compose: Services, name: str, request_seconds: int
) -> None:
    text = compose[name]["stop_grace_period"].replace("${TANDEM_REQUEST_SECONDS:-30}", str(request_seconds))
    minutes, seconds = re.fullmatch(r"(\d+)m(\d+)s", text).groups()  # type: ignore[union-attr]
    assert int(minutes) * 60 + int(seconds) > grace_seconds(request_seconds) + TERMINATE_SECONDS


def test_the_database_is_reached_with_the_password_it_was_made_with(base: Objects, compose: Services) -> None:
    url = base.pods["api"].env["TANDEM_DATABASE_URL"]["value"]
    assert url == re.sub(r"\$\{(\w+):[^}]*\}", r"$(\1)", compose["api"]["environment"]["TANDEM_DATABASE_URL"])
    # Kubernetes fills in what it has read before.
    names = list(base.pods["api"].env)
    assert names.index("POSTGRES_PASSWORD") < names.index("TANDEM_DATABASE_URL")
    assert base.pods["api"].env["POSTGRES_PASSWORD"] == base.pods["postgres"].env["POSTGRES_PASSWORD"]


def test_ray_and_the_api_have_the_same_token(base: Objects) -> None:
    auth = base.ray["authOptions"]
    told = base.pods["api"].env["TANDEM_RAY_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert auth == {"mode": "token", "secretName": told["name"]}
    assert told["key"] == "auth_token"


@pytest.mark.parametrize("name", ["ray-head", "ray-worker", "serving", "api"])
def test_health_is_asked_where_docker_asks(base: Objects, compose: Services, name: str) -> None:
    health = compose[name]["environment"].get("TANDEM_HEALTH_URL", "http://127.0.0.1:8000/healthz")
    port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", health).groups()  # type: ignore[union-attr]
    container = base.pods[name].container
    for probe in ("startupProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert (asked["path"], number_of(base.pods[name], asked["port"])) == (path, int(port))


def test_postgres_is_asked_as_docker_asks(base: Objects, compose: Services) -> None:
    container = base.pods["postgres"].container
    _, *command = compose["postgres"]["healthcheck"]["test"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == command


@pytest.mark.parametrize("name", NAMES)
def test_volumes_and_scratch_space_are_mounted_at_the_same_paths(
    base: Objects, compose: Services, name: str
) -> None:
    pod, service = base.pods[name], compose[name]
    mounts = [re.fullmatch(r"(.+?):(/[^:]*)(:ro)?", text).groups() for text in service["volumes"]]  # type: ignore[union-attr]
    # What strangers send is read in serving: it has no business with other people's photos.
    wanted = {
        path: bool(read_only) for _, path, read_only in mounts if (name, path) != ("serving", "/photos")
    }
    found = {
        path: mount.get("readOnly", False)
        for path, mount in pod.mounts.items()
        if "emptyDir" not in pod.volumes.get(mount["name"], {})
    }
    assert found == wanted
    for scratch in service["tmpfs"]:
        path, _, options = scratch.partition(":")
        volume = pod.mounted(path)["emptyDir"]
        if size := re.search(r"size=(\w+)", options):
            assert size_bytes(volume["sizeLimit"]) >= size_bytes(size[1])


def test_the_database_lies_where_its_image_keeps_it(base: Objects, compose: Services) -> None:
    assert base.pods["postgres"].env["PGDATA"]["value"].startswith("/var/lib/postgresql/data/")


def number_of(pod: Pod, port: int | str) -> int:
    ports = {each["name"]: each["containerPort"] for each in pod.container["ports"]}
    return port if isinstance(port, int) else ports[port]
