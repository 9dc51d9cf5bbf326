"""Handing shards out, with a stand-in for Ray that lets hours of looking pass at once."""

from __future__ import annotations

from types import SimpleNamespace

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
