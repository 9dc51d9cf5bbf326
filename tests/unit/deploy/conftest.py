"""What is deployed, as the tools that deploy it read it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_objects import Objects

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploying to Kubernetes takes, with the secrets that are in nobody's repository."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "Makefile", checkout)
    shutil.copytree(
        ROOT / "deploy" / "kubernetes",
        checkout / "deploy" / "kubernetes",
        ignore=shutil.ignore_patterns("secrets.env"),
    )
    for path, text in documented_files():
        (checkout / path).parent.mkdir(exist_ok=True)
        (checkout / path).write_text(text)
    subprocess.run(
        ["make", "kube-env", f"PYTHON={sys.executable}"], cwd=checkout, check=True, capture_output=True
    )
    return checkout


def documented_files() -> list[tuple[str, str]]:
    """Path and text of each file of the overlay that the document shows, whose first line is its path."""
    document = (ROOT / "docs" / "KUBERNETES.md").read_text()
    return re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def rendered(checkout: Path) -> Callable[[str], Objects]:
    """What `kubectl apply -k` would send of a folder below deploy/kubernetes."""

    def render(folder: str) -> Objects:
        kubectl = Path(sys.executable).with_name("kubectl")
        done = subprocess.run(
            [kubectl, "kustomize", checkout / "deploy" / "kubernetes" / folder],
            check=True,
            capture_output=True,
            text=True,
        )
        return Objects(list(yaml.safe_load_all(done.stdout)))

    return render


@pytest.fixture(scope="session")
def base(rendered: Callable[[str], Objects]) -> Objects:
    return rendered("base")


@pytest.fixture(scope="session")
def compose() -> dict[str, dict[str, Any]]:
    """docker-compose's services, by name."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
        "services"
    ]
    return services


@pytest.fixture(scope="session")
def compose_with_gpus() -> dict[str, dict[str, Any]]:
    """What the overlay for GPUs says of docker-compose's services, by name."""
    overlay = yaml.safe_load((ROOT / "deploy" / "compose.gpu.yaml").read_text())
    services: dict[str, dict[str, Any]] = overlay["services"]
    return services
