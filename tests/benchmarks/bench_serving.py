"""`make bench-serving`: `tandem serve` beside other servers of models, on the same photos and two cores.

Clients in closed loop post JPEGs of 500×375 and read the five likeliest classes. The weights are the same.
alexnet: ours, and each peer twice: with this project's code for decoding and classifying, and with AlexNet as
its users write it. alexnet-tiny: ours in a process for each core; each peer with the network alone of that
code, where photos are decoded as the peers' guides do, and, told without a target, with all of it. memory:
what the process holds over many requests. restart: how long nobody answers after it was killed.

The contenders take turns, with one server up at a time; medians are reported, and medians of what a round's
turns are to each other. The best peer is the one that answers the most photos to 64 clients. A table goes to
stderr; the last line of stdout is one JSON object. Exits 1 when a figure is not held or a contender fails.
The peers' environment is made by `make serving-peers`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

from bench_prepare import SHARED_PHOTOS
from figures import report
from serving_memory import measure_memory
from serving_models import publish_model
from serving_photos import write_expected, write_photos
from serving_processes import PEERS, PEERS_BIN
from serving_restart import measure_restart
from serving_turns import ALONE, CODES, CROWD, TANDEM, Plan, Turns, figures_of, rows_of, take_turns

PARTS = (*CODES, "memory", "restart")
TARGETS = {
    "alexnet_times_best_same_code": (1.05, "at least"),
    "alexnet_times_best_naive": (1.5, "at least"),
    "alexnet_p99_times_best_same_code": (1.0, "at most"),
    "alexnet_alone_p50_times_fastapi": (1.1, "at most"),
    "alexnet_bytes": (1.2e9, "at most"),
    "alexnet_answers_not_right": (0.0, "at most"),
    "alexnet_tiny_times_best_same_network": (2.0, "at least"),
    "alexnet_tiny_answers_not_right": (0.0, "at most"),
    "memory_drift_bytes": (20e6, "at most"),
    "memory_answers_not_right": (0.0, "at most"),
    "restart_seconds": (5.0, "at most"),
    "restart_other_refusals": (0.0, "at most"),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--photos", type=Path, default=SHARED_PHOTOS, help="class folders of JPEGs")
    arguments.add_argument("--rounds", type=int, default=3, help="turns each contender takes")
    arguments.add_argument(
        "--seconds", type=float, default=8, help="how long a turn is for a count of clients"
    )
    arguments.add_argument(
        "--clients", type=int, nargs="+", default=(ALONE, 8, CROWD), help="counts of clients"
    )
    arguments.add_argument("--requests", type=int, default=20_000, help="how many memory is watched over")
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    servers = (TANDEM, *PEERS)
    arguments.add_argument("--servers", nargs="+", choices=servers, default=servers, help="which contenders")
    options = arguments.parse_args()
    if not PEERS_BIN.is_dir():
        arguments.error(f"{PEERS_BIN} is not there: make serving-peers")
    # A server that outlives this would spoil what is measured next.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Neither settings of the environment nor a .env file where this was started.
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        del os.environ[name]
    plan = Plan(options.rounds, options.seconds, options.clients, options.servers)
    contenders: dict[str, Turns] = {}
    figures: dict[str, float] = {}
    photos = options.photos.absolute()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        work = Path(folder)
        contenders |= prepare(work, photos)
        for preset in CODES:
            if preset in options.only:
                field = take_turns(preset, work, plan)
                contenders |= rows_of(preset, field)
                figures |= figures_of(preset, field)
        if "memory" in options.only:
            rows, found = measure_memory(work, options.requests)
            contenders |= rows
            figures |= found
        if "restart" in options.only:
            rows, found = measure_restart(work)
            contenders |= rows
            figures |= found
    return report("serving", contenders, figures, TARGETS)


def prepare(work: Path, photos: Path) -> dict[str, Turns]:
    """The photos, the models, and what should come out; gives a row that says what photos they are."""
    kind = write_photos(photos, work / "photos")
    for preset, codes in CODES.items():
        model = publish_model(work / "home" / "models", preset)
        for code in codes:
            write_expected(code, model, work / "photos", work / f"{preset}-{code}.json")
    sizes = [path.stat().st_size for path in (work / "photos").glob("*.jpg")]
    print(f"{len(sizes)} {kind} of {sum(sizes) / len(sizes) / 1000:.0f} kB", file=sys.stderr)
    return {kind: [{"bytes": float(size)} for size in sizes]}


if __name__ == "__main__":
    sys.exit(main())
