"""What no process on Kubernetes can do: be root, write beside its volumes, reach who is not its business."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fresh_process import run
from kubernetes_objects import Objects, Tree

NAMES = ("postgres", "ray-head", "ray-worker", "serving", "api")
CONTAINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# Ray keeps to what the environment was when it was imported, and other tests have theirs.
WHERE_THE_AUTOSCALER_LOOKS = """
from ray.autoscaler._private.kuberay import node_provider
print(node_provider.IN_CLUSTER_TOKEN_PATH, node_provider.IN_CLUSTER_CA_CERT_PATH)
"""
DOCKERFILE = Path(__file__).parents[3] / "deploy" / "docker" / "Dockerfile"


@pytest.mark.parametrize("name", NAMES)
def test_every_container_runs_as_a_user_who_may_nothing(base: Objects, name: str) -> None:
    pod = base.pods[name]
    user = re.search(r"useradd --uid (\d+)", DOCKERFILE.read_text())
    assert user is not None
    number = 999 if name == "postgres" else int(user[1])
    assert pod.spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": number,
        "runAsGroup": number,
        "fsGroup": number,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in pod.spec["containers"]:
        assert container["securityContext"] == CONTAINED


def test_the_namespace_refuses_pods_that_may_more(base: Objects) -> None:
    labels = base.get("Namespace", "tandem")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", NAMES)
def test_no_process_is_given_a_token_of_the_cluster(base: Objects, name: str) -> None:
    pod = base.pods[name]
    assert pod.spec["automountServiceAccountToken"] is False
    assert not [path for path in pod.mounts if "serviceaccount" in path]


def test_the_autoscaler_alone_is_given_one_and_is_contained_too(base: Objects) -> None:
    options = base.ray["autoscalerOptions"]
    assert options["securityContext"] == CONTAINED
    (mount,) = (each for each in options["volumeMounts"] if each["name"] == "kubernetes-api")
    sources = base.pods["ray-head"].volumes["kubernetes-api"]["projected"]["sources"]
    files = {f"{mount['mountPath']}/{path}" for source in sources for path in paths_of(source)}
    assert files == set(run(WHERE_THE_AUTOSCALER_LOOKS).split())


def paths_of(source: Tree) -> list[str]:
    if "serviceAccountToken" in source:
        return [source["serviceAccountToken"]["path"]]
    return [item["path"] for item in source["configMap"]["items"]]


@pytest.mark.parametrize(
    ("caller", "called", "port", "reaches"),
    [
        ("api", "postgres", 5432, True),
        ("api", "serving", 8001, True),
        ("api", "ray-head", 8265, True),
        ("api", "ray-head", 6379, False),
        ("api", "ray-worker", 8265, False),
        ("api", "ray-worker", 10002, False),
        ("serving", "postgres", 5432, False),
        ("serving", "ray-head", 8265, False),
        ("serving", "serving", 8001, False),
        ("ray-head", "ray-worker", 10002, True),
        ("ray-worker", "ray-head", 6379, True),
        ("ray-worker", "ray-worker", 19999, True),
        ("ray-worker", "serving", 8001, False),
        ("ray-worker", "postgres", 5432, False),
        ("postgres", "ray-head", 8265, False),
        (None, "api", 8000, True),
        (None, "serving", 8001, False),
        (None, "ray-head", 8265, False),
        (None, "ray-head", 6379, False),
        (None, "postgres", 5432, False),
    ],
)
def test_who_reaches_whom(base: Objects, caller: str | None, called: str, port: int, reaches: bool) -> None:
    """A caller of None is anything outside the namespace."""
    labels = base.pods[caller].labels if caller else None
    assert allowed(base, labels, base.pods[called].labels, port) is reaches


def allowed(base: Objects, caller: dict[str, str] | None, called: dict[str, str], port: int) -> bool:
    """As Kubernetes has it: of the policies about a pod, one has to let the caller in."""
    policies = [each["spec"] for each in base.of_kind("NetworkPolicy")]
    about = [policy for policy in policies if selects(policy["podSelector"], called)]
    return not about or any(
        lets_in(rule, caller, port) for policy in about for rule in policy.get("ingress", [])
    )


def lets_in(rule: Tree, caller: dict[str, str] | None, port: int) -> bool:
    if "ports" in rule and port not in [each["port"] for each in rule["ports"]]:
        return False
    if "from" not in rule:
        return True
    return caller is not None and any(selects(peer["podSelector"], caller) for peer in rule["from"])


def selects(selector: Tree, labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()
