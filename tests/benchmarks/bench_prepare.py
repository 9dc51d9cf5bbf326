"""`make bench-prepare`: photos prepared per second and memory held, beside the usual way to FFCV's format.

The usual way is a dataset in torch's style (class folders, Pillow) handed to FFCV's own DatasetWriter with
max_resolution=256 and JPEG at quality 90. Every contender runs in processes of its own, they take turns, and
medians are reported. A table goes to stderr; the last line of stdout is one JSON object. Exits 1 when a
figure is not held.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from figures import median, report

HERE = Path(__file__).parent
CONTENDERS = HERE / "prepare_contenders.py"
SHARED_PHOTOS = HERE.parents[2] / "shared" / "data" / "imagenet-sample"

TARGETS = {
    "times_the_usual_way_per_core": (2.0, "at least"),
    "share_of_bare_decode_resize_encode": (0.8, "at least"),
    "two_workers_over_one": (1.8, "at least"),
    "worker_peak_bytes": (700 * 10**6, "at most"),
    "worker_growth_bytes": (50 * 10**6, "at most"),
    "driver_bytes_for_100000_photos_above_1000": (200 * 10**6, "at most"),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--photos", type=Path, default=SHARED_PHOTOS, help="class folders of JPEGs")
    arguments.add_argument("--copies", type=int, default=5, help="times each photo is prepared")
    arguments.add_argument("--rounds", type=int, default=3, help="turns each contender takes")
    options = arguments.parse_args()
    if not options.photos.is_dir():
        arguments.error(f"{options.photos} is not there: name a folder of class folders with --photos")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = linked(options.photos, work / "photos", options.copies)
        measured = take_turns(source, work, options.rounds)
        measured["driver"] = [
            {f"bytes_{count}": listing_bytes(source, work, count) for count in (1_000, 100_000)}
        ]
    return report("prepare", measured, figures(measured), TARGETS)


def linked(photos: Path, target: Path, copies: int) -> Path:
    """The photos again and again, as links: files enough to measure, bytes few enough for the page cache."""
    for photo in sorted(photos.glob("*/*")):
        for copy in range(copies):
            link = target / photo.parent.name / f"{copy}-{photo.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(photo, link) if same_disk(photo, target) else link.write_bytes(photo.read_bytes())
    return target


def same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def take_turns(source: Path, work: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    measured = defaultdict(list)
    for turn in range(rounds):
        for name, arguments in {
            "usual, 1 worker": ["usual", source, "1"],
            "tandem, 1 worker": ["tandem", source, "1"],
            "usual, 2 workers": ["usual", source, "2"],
            "tandem, 2 workers": ["tandem", source, "2"],
            "bare beside whole": ["bare", source, "1"],
        }.items():
            measured[name].append(contender(*arguments, work / f"out-{turn}"))
            print(f"round {turn + 1}: {name}: {measured[name][-1]}", file=sys.stderr)
    return measured


def contender(*arguments: object) -> dict[str, float]:
    """What one contender measured, in a process that no other has touched."""
    done = subprocess.run(
        [sys.executable, CONTENDERS, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def listing_bytes(source: Path, work: Path, count: int) -> float:
    """Peak memory of a driver with so many listed photos, its shards and Ray left out."""
    many = work / f"many-{count}"
    photos = sorted(source.glob("*/*"))
    for number in range(count):
        photo = photos[number % len(photos)]
        link = many / photo.parent.name / f"{number:06d}-{photo.name}"
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(photo, link)
    return contender("driver", many, "1", work / f"listed-{count}")["bytes"]


def figures(measured: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    rate = "images_per_second"
    (driver,) = measured["driver"]

    def rate_of(name: str) -> float:
        return median(measured[name], rate)

    return {
        "times_the_usual_way_per_core": min(
            rate_of(f"tandem, {workers}") / rate_of(f"usual, {workers}")
            for workers in ("1 worker", "2 workers")
        ),
        "share_of_bare_decode_resize_encode": statistics.median(
            turn["whole_images_per_second"] / turn["bare_images_per_second"]
            for turn in measured["bare beside whole"]
        ),
        "two_workers_over_one": rate_of("tandem, 2 workers") / rate_of("tandem, 1 worker"),
        "worker_peak_bytes": max(turn["worker_peak_bytes"] for turn in measured["tandem, 2 workers"]),
        "worker_growth_bytes": max(turn["worker_growth_bytes"] for turn in measured["tandem, 1 worker"]),
        "driver_bytes_for_100000_photos_above_1000": driver["bytes_100000"] - driver["bytes_1000"],
    }


if __name__ == "__main__":
    sys.exit(main())
