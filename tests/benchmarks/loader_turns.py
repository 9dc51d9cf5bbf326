"""The contenders of `bench_loader.py` seen from outside: processes that are told when to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

HERE: Final = Path(__file__).parent
CONTENDERS: Final = HERE / "loader_contenders"
PEERS_PYTHON: Final = HERE.parents[1] / ".venv-peers" / "bin" / "python"

_LAST_WORDS: Final = 2000

# Measurements of each contender, a dict for every round.
Measured = dict[str, list[dict[str, float]]]


class Script(NamedTuple):
    """A contender's file, and whether it runs in the environment of the peers."""

    name: str
    peers: bool = False

    def command(self, *arguments: object) -> list[str]:
        python = PEERS_PYTHON if self.peers else Path(sys.executable)
        return [str(python), str(CONTENDERS / f"{self.name}.py"), *map(str, arguments)]


TANDEM: Final = Script("tandem_loader")
FFCV: Final = Script("ffcv_stock")
BARE: Final = Script("bare_decode")
TORCH: Final = Script("torch_pillow")
DALI: Final = Script("dali_cpu", peers=True)
WEBDATASET: Final = Script("webdataset_tars", peers=True)
LITDATA: Final = Script("litdata_chunks", peers=True)
MOSAIC: Final = Script("mosaic_shards", peers=True)

FIELDS: Final[Mapping[str, tuple[Script, ...]]] = MappingProxyType(
    {
        "jpg": (BARE, TANDEM, DALI, FFCV, TORCH, WEBDATASET, LITDATA, MOSAIC),
        "raw": (TANDEM, FFCV),
        "augmented": (TANDEM, FFCV, DALI, TORCH),
    }
)


class Contender:
    """A running contender, which has proved what it yields and waits for its turns."""

    def __init__(self, command: list[str], home: Path) -> None:
        self._command = command
        self._log = home / "last-words.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Some leave files behind in there.
                env=os.environ | {"TMPDIR": str(home)},
            )

    def __enter__(self) -> Self:
        self._hear()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def turn(self) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            last_words = self._log.read_text(errors="replace")[-_LAST_WORDS:]
            raise SystemExit(f"{last_words}\nbench_loader: {' '.join(self._command)} failed")
        return json.loads(line)


def epochs(what: str, work: Path, samples: int, rounds: int) -> Measured:
    """Images per second of all contenders in a field, who take turns, and the most memory they held."""
    measured = defaultdict(list)
    with ExitStack() as stack:
        running = {}
        for script in FIELDS[what]:
            home = work / f"{what}-{script.name}"
            home.mkdir()
            command = script.command(what, work, samples, "epochs")
            running[script] = stack.enter_context(Contender(command, home))
        for number in range(rounds):
            for script, contender in running.items():
                turn = contender.turn()
                if turn["images"] != samples:
                    raise SystemExit(f"bench_loader: {script.name} took a turn with {turn['images']} photos")
                rate = turn["images"] / turn["seconds"]
                measured[script.name].append({"images_per_second": rate, "peak_bytes": turn["peak_bytes"]})
                print(f"{what}, round {number + 1}: {script.name}: {rate:,.0f} images/s", file=sys.stderr)
    return measured


def first_batch(script: Script, work: Path, samples: int, environment: Mapping[str, str]) -> float:
    """Seconds from the start of a process to its first batch."""
    began = time.perf_counter()
    with subprocess.Popen(
        script.command("jpg", work, samples, "first"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        assert process.stdout
        said = process.stdout.readline()
        seconds = time.perf_counter() - began
    if not said:
        raise SystemExit(f"bench_loader: {script.name} came to no first batch")
    return seconds
