"""Handing shards out, with a stand-in for Ray that lets hours of looking pass at once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.config import PrepareConfig
from pipeline.shards.cluster import Cluster
from pipeline.shards.record import ShardRecord
from pipeline.shards.shard_files import ShardFiles
from pipeline.shards.task import ShardTask
from pipeline.shards.workers import write_shards

LOOKS = 100_000


class PatientRay:
    """A shard given to it is at work for a great many looks, and is then finished."""

    exceptions = SimpleNamespace(RayTaskError=ZeroDivisionError)

    def __init__(self):
        self.looks = 0

    def remote(self, **options):
        return lambda function: SimpleNamespace(remote=lambda task: task.files.name)

    def wait(self, references, **options):
        self.looks += 1
        return (references[:1], references[1:]) if self.looks % LOOKS == 0 else ([], references)

    def get(self, reference):
        return ShardRecord(reference, "train", 0, None, ())


def test_the_next_shard_is_taken_after_any_number_of_looks(tmp_path):
    names = [f"train-{number:05d}.beton" for number in range(3)]
    tasks = (ShardTask(ShardFiles(tmp_path, name), "train", None, [], PrepareConfig()) for name in names)
    looks = list(write_shards(tasks, Cluster(PatientRay(), 1)))
    assert len(looks) == 3 * LOOKS
    assert [record.file for look in looks for record in look.records] == names


class RayThatIsLeft(PatientRay):
    """Its tasks hear of a stop, but for the deaf."""

    def __init__(self, files, deaf=()):
        super().__init__()
        self.files, self.deaf, self.cancelled = files, list(deaf), []

    def wait(self, references, **options):
        if not self.files.stop.exists():
            return [], references
        left = [reference for reference in references if reference in self.deaf]
        return [reference for reference in references if reference not in left], left

    def cancel(self, reference, *, force):
        assert force
        self.deaf.remove(reference)
        self.cancelled.append(reference)


@pytest.mark.parametrize("deaf", [[], ["train-00001.beton"]])
def test_workers_are_asked_to_stop_and_only_the_deaf_are_ended(deaf, tmp_path):
    files = [ShardFiles(tmp_path, f"train-{number:05d}.beton") for number in range(3)]
    ray = RayThatIsLeft(files[0], deaf)
    tasks = [ShardTask(file, "train", None, [], PrepareConfig()) for file in files]
    looks = write_shards(tasks, Cluster(ray, 3))
    next(looks)
    looks.close()
    assert ray.cancelled == deaf
    assert ray.deaf == []
    assert list(tmp_path.iterdir()) == []
