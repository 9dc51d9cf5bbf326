"""Handing shards out, with a stand-in for Ray that lets hours of looking pass at once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.config import PrepareConfig
from pipeline.shards.cluster import Cluster
from pipeline.shards.shard_files import ShardFiles
from pipeline.shards.task import ShardTask
from pipeline.shards.workers import write_shards

LOOKS = 100_000


class PatientRay:
    """Nothing it is given ends for a long time; then everything is called off."""

    def __init__(self):
        self.looks = 0
        self.cancelled = []

    def remote(self, **options):
        return lambda function: SimpleNamespace(remote=lambda task: task.files.name)

    def wait(self, references, **options):
        self.looks += 1
        return [], references

    def cancel(self, reference, *, force):
        self.cancelled.append(reference)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_shard_may_take_any_number_of_looks(tmp_path, workers):
    ray = PatientRay()
    tasks = [
        ShardTask(ShardFiles(tmp_path, f"train-{number:05d}.beton"), "train", None, [], PrepareConfig())
        for number in range(2)
    ]
    looks = write_shards(tasks, Cluster(ray, workers))
    for _ in range(LOOKS):
        next(looks)
    looks.close()
    assert ray.looks >= LOOKS
    assert ray.cancelled == [task.files.name for task in tasks[:workers]]
