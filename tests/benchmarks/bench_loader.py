"""`make bench-loader`: Tandem's loader beside its peers, on the same photos and two cores.

Three fields of contenders: batches of JPEGs as the host gets them (uint8, in whichever of their ways each is
fastest), the same of photos stored raw, and fully augmented ones (float32 224×224: random crop, mirroring,
mean subtracted, colour noise). In each, all contenders are running processes that take turns of an epoch.
Then the first batch of a cold process, and opening 1.28 million samples. Medians are reported, and medians of
what a round's turns are to each other. A table goes to stderr; the last line of stdout is one JSON object.
Exits 1 when a figure is not held or a contender fails. The peers' environment is made by `make peers`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_prepare import SHARED_PHOTOS
from figures import median, report
from loader_turns import BARE, FFCV, FIELDS, PEERS_PYTHON, TANDEM, Measured, Script, epochs, first_batch
from one_beton import write_one_beton
from tiny_shards import TINY_SAMPLES, write_tiny_shards
from training_photos import SAMPLES, prepare_photos

PARTS = (*FIELDS, "first-batch", "opening")
TARGETS = {
    "jpg_times_best_peer": (1.5, "at least"),
    "jpg_share_of_bare_decode": (0.85, "at least"),
    "raw_times_ffcv": (5.0, "at least"),
    "augmented_times_best_peer": (1.3, "at least"),
    "first_batch_share_of_ffcv": (0.5, "at most"),
    "opening_times_ffcv": (3.0, "at least"),
    "opening_bytes": (400 * 10**6, "at most"),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--photos", type=Path, default=SHARED_PHOTOS, help="class folders of JPEGs")
    arguments.add_argument("--rounds", type=int, default=3, help="turns each contender takes")
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    options = arguments.parse_args()
    if not options.photos.is_dir():
        arguments.error(f"{options.photos} is not there: name a folder of class folders with --photos")
    if not PEERS_PYTHON.exists():
        arguments.error(f"{PEERS_PYTHON} is not there: make peers")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepare_photos(options.photos, work)
        measured = {part: measure(part, work, options.rounds) for part in PARTS if part in options.only}
    contenders = {
        f"{part}: {name}": turns for part, found in measured.items() for name, turns in found.items()
    }
    return report("loader", contenders, figures(measured), TARGETS)


def measure(part: str, work: Path, rounds: int) -> Measured:
    if part == "first-batch":
        return first_batches(work, rounds)
    if part == "opening":
        return openings(work, rounds)
    return epochs(part, work, SAMPLES, rounds)


def first_batches(work: Path, rounds: int) -> Measured:
    """Seconds of a cold process, and of the very first one, which finds nothing compiled."""
    measured: Measured = {"tandem_loader, nothing compiled": [], TANDEM.name: [], FFCV.name: []}
    for number in range(rounds):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(work / f"compiled-{number}")}
        for (name, turns), script in zip(measured.items(), (TANDEM, TANDEM, FFCV), strict=True):
            turns.append({"seconds": first_batch(script, work, SAMPLES, environment)})
            print(f"first batch, round {number + 1}: {name}: {turns[-1]['seconds']:.2f} s", file=sys.stderr)
    return measured


def openings(work: Path, rounds: int) -> Measured:
    """Seconds until 1.28 million samples are open, and the memory that takes."""
    dataset, beton = work / "tiny", work / "tiny.beton"
    write_one_beton(write_tiny_shards(dataset, work / "jpg"), beton)
    os.sync()
    measured: Measured = {TANDEM.name: [], FFCV.name: []}
    for number in range(rounds):
        for (name, turns), arguments in zip(
            measured.items(), (("tandem", dataset), ("ffcv", beton)), strict=True
        ):
            command = Script("opening").command(*arguments)
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            turn = json.loads(done.stdout.splitlines()[-1])
            if turn.pop("samples") != TINY_SAMPLES:
                raise SystemExit(f"bench_loader: {name} opened other than {TINY_SAMPLES} samples")
            turns.append(turn)
            print(f"opening, round {number + 1}: {name}: {turn['seconds']:.2f} s", file=sys.stderr)
    return measured


def figures(measured: dict[str, Measured]) -> dict[str, float]:
    rate, found = "images_per_second", {}
    for part, turns in measured.items():
        if part == "jpg":
            found["jpg_share_of_bare_decode"] = times(turns, BARE.name, rate)
        if part in ("jpg", "augmented"):
            peers = [name for name in turns if name not in (TANDEM.name, BARE.name)]
            best = max(peers, key=lambda name: median(turns[name], rate))
            found[f"{part}_times_best_peer"] = times(turns, best, rate)
        elif part == "raw":
            found["raw_times_ffcv"] = times(turns, FFCV.name, rate)
        elif part == "first-batch":
            found["first_batch_share_of_ffcv"] = times(turns, FFCV.name, "seconds")
        elif part == "opening":
            found["opening_times_ffcv"] = 1 / times(turns, FFCV.name, "seconds")
            found["opening_bytes"] = max(turn["bytes"] for turn in turns[TANDEM.name])
    return found


def times(turns: Measured, other: str, figure: str) -> float:
    """Tandem's figure over another's of the same round: the median of all rounds."""
    pairs = zip(turns[TANDEM.name], turns[other], strict=True)
    return statistics.median(mine[figure] / others[figure] for mine, others in pairs)


if __name__ == "__main__":
    sys.exit(main())
