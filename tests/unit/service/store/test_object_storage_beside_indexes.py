"""A process that searches indexes reaches object storage too: both bring libraries in C++."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from object_server import object_server

PROGRAM = """
import sys
import model.photo_index
from pipeline.storage.opened import open_store

with open(sys.argv[1], "w+b") as file:
    open_store("s3://photos/set").fetch("photo", file)
"""


def test_object_storage_is_reached_after_an_index_was(tmp_path: Path) -> None:
    with object_server() as server:
        server.put("set/photo", b"a photo")
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "photo")],
            env=os.environ | server.environment,
            check=True,
        )
    assert (tmp_path / "photo").read_bytes() == b"a photo"
