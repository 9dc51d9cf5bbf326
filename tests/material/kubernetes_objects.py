"""Kubernetes objects by kind and name, and the pods that come of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Tree = dict[str, Any]
# KubeRay's own, on the pods it makes of a RayCluster: network policies go by them.
RAY_LABELS = {"ray.io/cluster": "tandem", "ray.io/is-ray-node": "yes"}


class Pod(NamedTuple):
    """A pod's labels and specification; its first container is the process it is there for."""

    labels: dict[str, str]
    spec: Tree

    @property
    def container(self) -> Tree:
        container: Tree = self.spec["containers"][0]
        return container

    @property
    def volumes(self) -> dict[str, Tree]:
        return {volume["name"]: volume for volume in self.spec["volumes"]}

    @property
    def mounts(self) -> dict[str, Tree]:
        """By the path it is mounted at."""
        return {mount["mountPath"]: mount for mount in self.container["volumeMounts"]}

    def mounted(self, path: str) -> Tree:
        """The volume at a path."""
        return self.volumes[self.mounts[path]["name"]]

    @property
    def env(self) -> dict[str, Tree]:
        return {variable["name"]: variable for variable in self.container.get("env", [])}


class Objects:
    def __init__(self, objects: list[Tree]) -> None:
        self.all = objects

    def of_kind(self, kind: str) -> list[Tree]:
        return [each for each in self.all if each["kind"] == kind]

    def get(self, kind: str, name: str) -> Tree:
        (found,) = (each for each in self.of_kind(kind) if each["metadata"]["name"] == name)
        return found

    @property
    def ray(self) -> Tree:
        spec: Tree = self.get("RayCluster", "tandem")["spec"]
        return spec

    @property
    def ray_workers(self) -> Tree:
        (group,) = self.ray["workerGroupSpecs"]
        return dict(group)

    @property
    def pods(self) -> dict[str, Pod]:
        """By the name of docker-compose's service that does the same."""
        return dict(self._pods())

    def _pods(self) -> Iterator[tuple[str, Pod]]:
        for each in (*self.of_kind("Deployment"), *self.of_kind("StatefulSet")):
            template = each["spec"]["template"]
            yield each["metadata"]["name"], Pod(template["metadata"]["labels"], template["spec"])
        for name, kind, group in (
            ("ray-head", "head", self.ray["headGroupSpec"]),
            ("ray-worker", "worker", self.ray_workers),
        ):
            yield name, Pod({**RAY_LABELS, "ray.io/node-type": kind}, group["template"]["spec"])
