"""The middle of the demo, over REST: a dataset prepared, a network trained on it, a model published."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from service.cli.demo_photos import DemoPhotos
from service.cli.errors import JobFailedError
from service.cli.follow import follow
from service.cli.output import percent, remarks
from service.cli.preparation_display import PreparationDisplay
from service.client import ApiError, Client
from service.domain.answers import Dataset, Run
from service.domain.state import JobState

DATASET = "tandem-demo"
MODEL = "demo"
NETWORK = "alexnet-tiny"
RECIPE = "quick"
WORKERS = 2
POLL_SECONDS = 0.5
STEPS_WANTED = 300
MOST_EPOCHS = 20


def prepare_photos(client: Client, photos: DemoPhotos) -> str:
    """Prepares the demo's dataset, in the place of an earlier demo's; returns what it holds."""
    remove_earlier(client)
    network = ModelConfig.preset(NETWORK, num_classes=2)
    request: dict[str, Any] = {
        "name": DATASET,
        "source": {"type": "folder", "path": str(photos.folder)},
        "image_size": network.image_size,
        "workers": WORKERS,
        "val_fraction": photos.val_fraction,
    }
    client.datasets.create(request)
    dataset = wait_for_dataset(client)
    manifest = dataset.manifest
    if dataset.state is not JobState.SUCCEEDED or manifest is None:
        raise JobFailedError(f"the preparation is {dataset.state}: {dataset.reason}")
    counts = " and ".join(f"{part['num_samples']} {split}" for split, part in manifest["splits"].items())
    size, classes = manifest["image_size"], len(manifest["classes"])
    return f"{counts} photos of {classes} classes at {size}×{size}, {manifest['quarantined']} in quarantine"


def wait_for_dataset(client: Client) -> Dataset:
    """Shows the preparation until it is over."""
    with PreparationDisplay() as display:
        while True:
            dataset = client.datasets.get(DATASET)
            if dataset.state.is_terminal:
                return dataset
            display.show(dataset.progress)
            time.sleep(POLL_SECONDS)


def remove_earlier(client: Client) -> None:
    """Removes an earlier demo's dataset, and first what may still use it after that demo was killed."""
    for run in client.runs.list():
        if run.spec["dataset"] == DATASET and not run.state.is_terminal:
            remarks.print(f"stopping run {run.id} of an earlier demo")
            client.runs.stop(run.id, "now")
            while not client.runs.get(run.id).state.is_terminal:
                time.sleep(POLL_SECONDS)
    try:
        if not client.datasets.get(DATASET).state.is_terminal:
            client.datasets.stop(DATASET)
            wait_for_dataset(client)
        client.datasets.delete(DATASET)
    except ApiError as error:
        if error.code != "not_found":
            raise


class Trained(NamedTuple):
    run: Run
    summary: str


def train_network(client: Client) -> Trained:
    """Trains on the demo's dataset and follows the run to its end."""
    manifest = client.datasets.get(DATASET).manifest
    assert manifest is not None
    run = client.runs.create(
        {
            "name": "demo",
            "dataset": DATASET,
            "model": {"preset": NETWORK},
            "recipe": quick_recipe(manifest["splits"]["train"]["num_samples"]),
            "resources": {"num_workers": WORKERS},
        }
    )
    run = follow(client, run.id)
    progress = run.progress
    assert progress.val_top1_error is not None
    assert progress.val_top5_error is not None
    top1, top5 = percent(1 - progress.val_top1_error), percent(1 - progress.val_top5_error)
    summary = f"{progress.step} steps with {WORKERS} workers; on held-out photos top-1 {top1}, top-5 {top5}"
    return Trained(run, summary)


def quick_recipe(train_photos: int) -> dict[str, Any]:
    """The quick recipe, with more epochs for a small dataset and a smaller batch for a tiny one."""
    quick = RecipeConfig.preset(RECIPE)
    batch_size = min(quick.global_batch_size, train_photos // WORKERS * WORKERS)
    steps_per_epoch = max(1, train_photos // max(1, batch_size))
    epochs = min(max(quick.epochs, STEPS_WANTED // steps_per_epoch), MOST_EPOCHS)
    return {"preset": RECIPE, "global_batch_size": batch_size, "epochs": epochs}


def publish_model(client: Client, run: Run) -> str:
    version = client.models.publish(MODEL, run.id)
    return f"model {version.name!r} version {version.version}, from step {version.step}"
