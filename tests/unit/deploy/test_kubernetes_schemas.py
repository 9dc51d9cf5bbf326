"""Every object is one that Kubernetes takes: no field unknown, none of another type, none missing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from kubernetes_objects import Objects, Tree

# The oldest that the document promises, and the newest whose schemas there are.
VERSIONS = ("1.30", "1.37")
# The last is the document's.
FOLDERS = ("base", "overlays/cpu", "overlays/ours")


def strict(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
# Of KubeRay's RayCluster, the fields that are used; pods are Kubernetes' own and are looked at as such.
RAY_CLUSTER = strict(
    {
        "rayVersion": {"type": "string"},
        "upgradeStrategy": strict({"type": {"enum": ["Recreate", "None"]}}, ["type"]),
        "authOptions": strict(
            {"mode": {"enum": ["disabled", "token"]}, "secretName": {"type": "string"}}, ["mode"]
        ),
        "enableInTreeAutoscaling": {"type": "boolean"},
        "autoscalerOptions": strict(
            {
                "version": {"enum": ["v1", "v2"]},
                "idleTimeoutSeconds": {"type": "integer", "minimum": 0},
                "securityContext": {"type": "object"},
                "volumeMounts": {"type": "array"},
            },
            [],
        ),
        "headGroupSpec": strict(
            {"rayStartParams": STRINGS, "template": {"type": "object"}}, ["rayStartParams", "template"]
        ),
        "workerGroupSpecs": {
            "type": "array",
            "items": strict(
                {
                    "groupName": {"type": "string"},
                    "minReplicas": {"type": "integer", "minimum": 0},
                    "maxReplicas": {"type": "integer", "minimum": 0},
                    "rayStartParams": STRINGS,
                    "template": {"type": "object"},
                },
                ["groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"],
            ),
        },
    },
    ["headGroupSpec"],
)


def pods_of_ray(spec: Tree) -> list[Tree]:
    """The pods KubeRay is given, the autoscaler's container among them, as objects of Kubernetes."""
    head = copy.deepcopy(spec["headGroupSpec"]["template"])
    options = spec["autoscalerOptions"]
    autoscaler = {name: options[name] for name in ("securityContext", "volumeMounts")}
    head["spec"]["containers"].append({"name": "autoscaler", **autoscaler})
    templates = [head, *(group["template"] for group in spec["workerGroupSpecs"])]
    return [
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "ray"}, "template": template}
        for template in templates
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_knows_every_field(rendered: Callable[[str], Objects], folder: str, version: str) -> None:
    objects = rendered(folder)
    own = [each for each in objects.all if each["kind"] != "RayCluster"]
    assert len(own) >= 19
    for each in (*own, *pods_of_ray(objects.ray)):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("folder", FOLDERS)
def test_kuberay_knows_every_field(rendered: Callable[[str], Objects], folder: str) -> None:
    objects = rendered(folder)
    assert objects.get("RayCluster", "tandem")["apiVersion"] == "ray.io/v1"
    jsonschema.validate(objects.ray, RAY_CLUSTER)


def test_a_field_that_is_misspelt_anywhere_is_found(base: Objects) -> None:
    (pod, _) = pods_of_ray(base.ray)
    pod["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, VERSIONS[0], strict=True)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**base.ray, "autoScalerOptions": {}}, RAY_CLUSTER)
