"""The indexing of a published model's training photos as a Ray job, reporting to its folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import torch

from model.classifier import Classifier
from model.network.architecture import layers_of
from model.photo_index import DESCRIPTION_FILE, PhotoIndexWriter
from pipeline.batches.whole_split import whole_train_split
from pipeline.errors import BadDatasetError
from pipeline.photos.thumbnail import thumbnail
from pipeline.shards.manifest import Manifest
from pipeline.storage.local_folder import LocalFolder
from pipeline.storage.moving import remove_stored, store_folder
from pipeline.storage.node_cache import NodeCache
from service.domain.events import IndexLine
from service.domain.indexing import INDEX_FOLDER, IndexOrder
from service.domain.job_folder import JobFolder, now
from service.training.job import job
from service.training.progress import LineFile, Pace

_BATCH: Final = 64
# Whoever trains or classifies beside it goes first.
_NICENESS: Final = 10


def main() -> None:
    """`tandem-index-job FOLDER`"""
    folder = JobFolder(Path(sys.argv[1]))
    with job(folder):
        os.nice(_NICENESS)
        order = IndexOrder.model_validate_json(folder.specification.read_bytes())
        lines = LineFile(folder.progress)
        build(order, lines)
        lines.close()


def build(order: IndexOrder, lines: LineFile) -> None:
    """Embeds every training photo and writes the index beside the version's weights.

    Raises BadDatasetError for a dataset that is not the one the model was trained on.
    """
    target = Path(order.model_folder) / INDEX_FOLDER
    for left in target.parent.glob(f".{INDEX_FOLDER}.*"):
        # Of a job that was killed.
        remove_stored(left)
    if order.storage is None:
        _write(order, target, lines)
        return
    with NodeCache.of_this_node().scratch() as scratch:
        made = scratch / INDEX_FOLDER
        _write(order, made, lines)
        large = {file.name for file in made.iterdir()} - {DESCRIPTION_FILE}
        store_folder(made, target, large, order.storage)


def _write(order: IndexOrder, target: Path, lines: LineFile) -> None:
    dataset = Path(order.dataset_folder)
    manifest = Manifest.load(dataset)
    if manifest.checksum != order.dataset_checksum:
        raise BadDatasetError(f"{dataset} is not the dataset that the model was trained on")
    with LocalFolder(Path(order.model_folder)) as model:
        classifier = Classifier.load(model.path, "cuda:0" if torch.cuda.is_available() else "cpu")
    features = layers_of(classifier.published.architecture)[-1].fan_in
    total, done, pace = manifest.splits["train"].num_samples, 0, Pace()
    with PhotoIndexWriter(target, features, manifest.checksum) as index:
        for images, labels, sample_ids in whole_train_split(dataset, _BATCH):
            photos = images.numpy()
            index.add(
                classifier.embeddings(photos),
                sample_ids.numpy(),
                labels.numpy(),
                [thumbnail(photo) for photo in photos],
            )
            done += len(photos)
            pace.advance(done)
            lines.append(
                IndexLine(
                    at=now(),
                    photos_done=done,
                    photos_total=total,
                    photos_per_second=pace.per_second,
                    eta_seconds=pace.seconds_for(total - done),
                )
            )
        index.finish()
