"""What an image holds, as JSON: read by the Python of the image, which has nothing but what is in it.

    docker run --rm -i IMAGE python3 - < tests/benchmarks/image_contents.py

Bytes are those that files take on disk. `packages` are Python's by name: their bytes, and whether torch or
Ray needs them; `loose` the bytes of the virtual environment that belong to none of them; `debian` the
installed sizes of Debian's packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

GIVEN = ("torch", "ray[default,train]")


def main() -> None:
    # A base without a virtual environment has Debian's packages alone.
    environment = python_packages() if sys.prefix != sys.base_prefix else {"packages": {}, "loose": 0}
    print(json.dumps({**environment, "debian": debian_packages()}))


def python_packages() -> dict[str, object]:
    from packaging.utils import canonicalize_name

    found = {canonicalize_name(each.metadata["Name"]): each for each in distributions()}
    given = needed(found)
    packages = {
        name: {
            "bytes": disk_bytes(Path(str(file.locate())) for file in each.files or ()),
            "given": name in given,
        }
        for name, each in found.items()
    }
    everything = disk_bytes(Path(sys.prefix).rglob("*"))
    return {"packages": packages, "loose": everything - sum(int(each["bytes"]) for each in packages.values())}


def needed(found: dict[str, Distribution]) -> set[str]:
    """The names of torch, Ray and all they require here, extras included."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(each) for each in GIVEN]
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if name not in found or (name, extras) in seen:
            continue
        seen.add((name, extras))
        for required in map(Requirement, found[name].requires or ()):
            marker = required.marker
            if not marker or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append(required)
    return {name for name, _ in seen}


def disk_bytes(files: Iterable[Path]) -> int:
    taken = {}
    for file in files:
        try:
            status = file.lstat()
        # A package's list names files of its that were removed, too.
        except FileNotFoundError:
            continue
        # A file of several names takes its place once.
        taken[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(taken.values())


def debian_packages() -> dict[str, int]:
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${Installed-Size}\n"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: int(kibibytes) * 1024 for name, kibibytes in (line.split() for line in lines)}


main()
