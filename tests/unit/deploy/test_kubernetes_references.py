"""What one object on Kubernetes says of another is so, and the API is told what Ray's autoscaler reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fresh_process import run
from kubernetes_objects import Objects

from service.growth import Growth, parse_growth
from service.http.grace import grace_seconds
from service.settings import Settings

# Ray keeps to what the environment was when it was imported, and other tests have theirs.
READ_AS_THE_AUTOSCALER_DOES = """
import json, sys
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
print(json.dumps(_derive_autoscaling_config_from_ray_cr(json.loads(sys.argv[1]))))
"""
# The last is the document's.
FOLDERS = ("base", "overlays/cpu", "overlays/ours")


def test_secrets_are_random_and_nobodys_but_the_owners(checkout: Path, base: Objects) -> None:
    path = checkout / "deploy" / "kubernetes" / "base" / "secrets.env"
    assert path.stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert values.keys() == base.get("Secret", "tandem")["data"].keys()
    assert len(set(values.values())) == len(values)
    assert all(len(value) >= 40 for value in values.values())


def test_all_that_pods_name_is_there(base: Objects) -> None:
    secrets, configuration = base.get("Secret", "tandem"), base.get("ConfigMap", "tandem")
    claims = {each["metadata"]["name"] for each in base.of_kind("PersistentVolumeClaim")}
    for pod in base.pods.values():
        for source in pod.container.get("envFrom", []):
            if not source.get("secretRef", {}).get("optional"):
                assert source["configMapRef"]["name"] == configuration["metadata"]["name"]
        for variable in pod.env.values():
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                assert reference["name"] == secrets["metadata"]["name"]
                assert reference["key"] in secrets["data"]
        named = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod.volumes.values()
            if "persistentVolumeClaim" in volume
        }
        assert named <= claims
        for container in pod.spec["containers"]:
            own = {"postgres"} if container["name"] == "postgres" else set()
            assert {mount["name"] for mount in container["volumeMounts"]} <= pod.volumes.keys() | own


def test_every_setting_is_one_that_is_read(base: Objects) -> None:
    known = {f"TANDEM_{name.upper()}" for name in Settings.model_fields}
    given = set(base.get("ConfigMap", "tandem")["data"])
    for pod in base.pods.values():
        given |= {name for name in pod.env if name.startswith("TANDEM_")}
    assert given <= known


@pytest.mark.parametrize("name", ["api", "serving", "postgres"])
def test_a_service_leads_to_a_port_of_its_pods(base: Objects, name: str) -> None:
    service, pod = base.get("Service", name)["spec"], base.pods[name]
    assert service["selector"].items() <= pod.labels.items()
    (port,) = service["ports"]
    ports = {each["name"]: each["containerPort"] for each in pod.container["ports"]}
    assert ports[port["targetPort"]] == port["port"]


def test_the_api_finds_ray_and_every_serving_pod_by_name(base: Objects) -> None:
    data = base.get("ConfigMap", "tandem")["data"]
    # KubeRay's name for the Service of a RayCluster's head.
    ray = urlsplit(data["TANDEM_RAY_URL"])
    assert (ray.hostname, ray.port) == ("tandem-head-svc", 8265)
    serving = urlsplit(data["TANDEM_SERVING_URL"])
    service = base.get("Service", "serving")["spec"]
    assert (serving.hostname, serving.port) == ("serving", service["ports"][0]["port"])
    assert service["clusterIP"] == "None"


def test_serving_grows_with_its_load_and_is_never_drained_away(base: Objects) -> None:
    scaler = base.get("HorizontalPodAutoscaler", "serving")["spec"]
    deployment = base.get("Deployment", "serving")
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    # Else every apply would bring the number back to what is written.
    assert "replicas" not in deployment["spec"]
    # A share of what is asked for: nothing to measure against without it.
    assert "cpu" in base.pods["serving"].container["resources"]["requests"]
    budget = base.get("PodDisruptionBudget", "serving")["spec"]
    assert budget["selector"] == deployment["spec"]["selector"]
    assert budget["maxUnavailable"] < scaler["minReplicas"]


@pytest.mark.parametrize(("name", "pause"), [("serving", 10), ("api", 0)])
def test_there_is_time_to_answer_what_was_accepted(base: Objects, name: str, pause: int) -> None:
    pod = base.pods[name]
    told_to = pod.container.get("lifecycle", {"preStop": {"sleep": {"seconds": 0}}})
    assert told_to == {"preStop": {"sleep": {"seconds": pause}}}
    assert pod.spec["terminationGracePeriodSeconds"] > pause + grace_seconds(Settings().request_seconds)


def test_ray_is_the_version_in_the_image(base: Objects) -> None:
    assert base.ray["rayVersion"] == version("ray")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_api_is_told_what_rays_autoscaler_may_add(
    rendered: Callable[[str], Objects], folder: str
) -> None:
    objects = rendered(folder)
    growth = parse_growth(objects.get("ConfigMap", "tandem")["data"]["TANDEM_RAY_GROWTH"])
    cluster = objects.get("RayCluster", "tandem")
    read = json.loads(run(READ_AS_THE_AUTOSCALER_DOES, json.dumps(cluster)))
    workers = read["available_node_types"]["workers"]
    resources = workers["resources"]
    assert growth == Growth(
        workers=workers["max_workers"], cpus=resources["CPU"], gpus=resources.get("GPU", 0)
    )
    # Preparing a dataset needs a worker that is there.
    assert workers["min_workers"] >= 1
    head = read["available_node_types"][read["head_node_type"]]
    assert head["resources"]["CPU"] == 0


def test_an_apply_leaves_the_number_of_workers_to_the_autoscaler(base: Objects) -> None:
    assert base.ray["enableInTreeAutoscaling"] is True
    assert "replicas" not in base.ray_workers


def test_an_overlay_brings_its_own_image_to_every_pod(rendered: Callable[[str], Objects]) -> None:
    images = {name: pod.container["image"] for name, pod in rendered("overlays/ours").pods.items()}
    assert images.pop("postgres") == "postgres:15-bookworm"
    assert set(images.values()) == {"registry.example/tandem:0.1.0"}
