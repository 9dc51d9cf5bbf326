"""`make bench-image`: what the image weighs beside torch, Ray and all that those two need.

Needs docker, the image, by default that of docker-compose.yml, and the base it was built on, which its labels
name. Counted as Tandem's are the Python packages that neither torch nor Ray needs, what else lies in their
environment, and the packages of Debian that the image has and its base has not. Megabytes are millions of
bytes, on disk. A table goes to stderr; the last line of stdout is one JSON object. Exits 1 when a figure is
not held.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from figures import Target, report

CONTENTS = Path(__file__).with_name("image_contents.py")
BASE_LABEL = "org.opencontainers.image.base.name"
# Packages of fewer bytes share a row.
A_ROW = 1_000_000
FIGURE = "megabytes_beside_torch_and_ray"
TARGETS: dict[str, Target] = {FIGURE: (400.0, "at most")}

Contents = dict[str, Any]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--image", default=f"tandem:{os.environ.get('TANDEM_VERSION') or '0.1.0'}")
    image = arguments.parse_args().image
    if not shutil.which("docker"):
        sys.exit("bench-image needs docker: install it, or run this where it is")
    (known,) = json.loads(docker("image", "inspect", image))
    base = (known["Config"]["Labels"] or {}).get(BASE_LABEL)
    if not base:
        sys.exit(f"{image} has no label {BASE_LABEL}: build it with deploy/docker/Dockerfile")
    (underneath,) = json.loads(docker("image", "inspect", base))
    contents = contents_of(image)
    given, ours = parts(contents, contents_of(base))
    rows = {
        "image": known["Size"],
        f"of it {base}": underneath["Size"],
        "torch, Ray and what they need": given,
    }
    contenders = {
        name: [{"bytes": size}]
        for name, size in (rows | dict(sorted(ours.items(), key=lambda part: -part[1]))).items()
    }
    return report("image", contenders, {FIGURE: round(sum(ours.values()) / 1e6, 1)}, TARGETS)


def docker(*arguments: str, script: Path | None = None) -> str:
    done = subprocess.run(
        ["docker", *arguments], input=script and script.read_bytes(), capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(
            f"docker {' '.join(arguments)}: {done.stderr.decode().strip()}\n"
            "bench-image needs docker's engine running, and the image built (docker compose build)"
        )
    return done.stdout.decode()


def contents_of(image: str) -> Contents:
    """What `image_contents.py` says of an image."""
    command = ("run", "--rm", "--interactive", "--network", "none", "--entrypoint", "python3", image, "-")
    contents: Contents = json.loads(docker(*command, script=CONTENTS))
    return contents


def parts(contents: Contents, base: Contents) -> tuple[int, dict[str, int]]:
    """The bytes of torch, Ray and what they need; and what else the image holds beyond its base, by name."""
    packages = contents["packages"].items()
    given = sum(each["bytes"] for _, each in packages if each["given"])
    ours = {name: each["bytes"] for name, each in packages if not each["given"] and each["bytes"] >= A_ROW}
    small = sum(each["bytes"] for _, each in packages if not each["given"] and each["bytes"] < A_ROW)
    debian = {
        f"Debian's {name}": size for name, size in contents["debian"].items() if name not in base["debian"]
    }
    return given, {
        **ours,
        "smaller Python packages": small,
        "in no Python package": contents["loose"],
        **debian,
    }


if __name__ == "__main__":
    sys.exit(main())
