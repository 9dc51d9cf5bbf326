"""`make bench-cluster`: docker-compose's cluster with one, two and three worker containers of one CPU each.

prepare: photos per second. train: seconds of a step of `alexnet-tiny`, of 32 photos for each worker, so that
each brings work of its own. With fewer cores than workers the figures show what a container costs,
not what it adds. Nothing is to be held. A table goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from figures import report

from service.client import Client
from service.errors import StackError
from service.stack.compose import ComposeStack

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE = CHECKOUT.parent / "shared" / "data" / "imagenet-sample"
WORKERS = (1, 2, 3)
COPIES = 3
# What `alexnet-tiny` trains on.
SMALL = "small"
PHOTOS_PER_WORKER = 32
STEPS = 120
LOOK_SECONDS = 0.1


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--photos", type=Path, default=SAMPLE, help="a folder for each class")
    arguments.add_argument("--rounds", type=int, default=2, help="turns for each number of workers")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        photos = Path(folder)
        copy(options.photos, photos)
        try:
            stack = ComposeStack(
                CHECKOUT, "tandem-bench", {"TANDEM_PHOTOS": folder, "TANDEM_WORKER_CPUS": "1"}
            )
            stack.make_images(lambda line: print(line, file=sys.stderr))
        except StackError as error:
            raise SystemExit(f"bench_cluster: {error}") from error
        stack.down(volumes=True)
        try:
            contenders = measure(stack, options.rounds)
        finally:
            stack.down(volumes=True)
    print(f"on {psutil.cpu_count()} cores:", file=sys.stderr)
    return report("cluster", contenders, {}, {})


def copy(photos: Path, target: Path) -> None:
    """Every photo a few times over, under a name of its own and for all to read."""
    target.chmod(0o755)
    sources = sorted(photos.glob("*/*"))
    if not sources:
        raise SystemExit(f"bench_cluster: {photos} has no class folders with photos in them")
    for number in range(COPIES):
        for source in sources:
            path = target / source.parent.name / f"{number}-{source.name}"
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, path)


def measure(stack: ComposeStack, rounds: int) -> dict[str, list[dict[str, float]]]:
    """In each round every number of workers has its turn."""
    contenders: dict[str, list[dict[str, float]]] = {}
    with Client(stack.url, stack.token) as client:
        stack.up()
        prepare(client, SMALL, 1, image_size=72, val_fraction=0.34)
        for turn in range(rounds):
            for workers in WORKERS:
                stack.up({"ray-worker": workers})
                name = f"photos-{turn}-{workers}"
                rate = {"photos_per_second": prepare(client, name, workers)}
                step = {"seconds": train(client, workers)}
                contenders.setdefault(f"prepare, {workers} worker(s)", []).append(rate)
                contenders.setdefault(f"train, {workers} worker(s)", []).append(step)
    return dict(sorted(contenders.items()))


def prepare(client: Client, name: str, workers: int, **form: float) -> float:
    """Photos per second, from the first that are done to the last."""
    order = {"name": name, "source": {"path": "/photos"}, "workers": workers, "shard_size": 200}
    client.datasets.create(order | form)
    seen: list[tuple[float, int]] = []
    while not (dataset := client.datasets.get(name)).state.is_terminal:
        done = dataset.progress.photos_done or 0
        if done and (not seen or done > seen[-1][1]):
            seen.append((time.monotonic(), done))
        time.sleep(LOOK_SECONDS)
    if dataset.manifest is None or len(seen) < 2:
        raise SystemExit(f"bench_cluster: the preparation is {dataset.state}: {dataset.reason}")
    (began, first), (ended, last) = seen[0], seen[-1]
    return (last - first) / (ended - began)


def train(client: Client, workers: int) -> float:
    """Seconds of a step, the median of what the run tells after its first steps."""
    batch = PHOTOS_PER_WORKER * workers
    run = client.runs.create(
        {
            "dataset": SMALL,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "global_batch_size": batch, "max_steps": STEPS},
            "resources": {"num_workers": workers},
            "checkpoint": {"every_steps": STEPS},
        }
    )
    while not (run := client.runs.get(run.id)).state.is_terminal:
        time.sleep(LOOK_SECONDS)
    rates = [
        line["images_per_second"]
        for line in client.runs.metrics(run.id)
        if line["step"] > STEPS // 4 and line.get("images_per_second")
    ]
    if not rates:
        raise SystemExit(f"bench_cluster: the run is {run.state}: {run.reason}")
    return batch / statistics.median(rates)


if __name__ == "__main__":
    sys.exit(main())
