"""When a run's turn comes, and what Ray is asked then."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.shards.manifest import Manifest
from service.client import ApiError, Client
from service.cluster.jobs import RayCluster
from service.domain.job_folder import JobFolder, write_json
from service.domain.resolved_run import ResolvedRun
from service.domain.state import JobState
from service.operations.reconcile import Reconciler
from service.stack.free_port import free_port
from service.training.sole_attempt import sole_attempt


@pytest.fixture
def reconciler(server, head) -> Iterator[Reconciler]:
    cluster = RayCluster(head.url)
    yield Reconciler(server.plane.jobs, cluster, server.plane.models)
    cluster.close()


def queue_indexing(server, folder: Path, job_id: str) -> None:
    work = JobFolder(folder / job_id)
    server.plane.jobs.create(
        "index",
        name=f"paints/{job_id}",
        spec={"model": "paints", "version": 1, "dataset": "photos"},
        folder=work.path,
        job_id=job_id,
        lay_out=partial(work.create, {}),
    )


def test_another_attempt_begins_only_once_ray_has_done_with_the_one_before(
    server, head, reconciler: Reconciler
) -> None:
    job = server.begin_run()
    jobs, first = server.plane.jobs, f"{job.id}-a1"
    head.statuses[first] = "RUNNING"
    with jobs.editing(job.id) as edit:
        edit.move_to(JobState.INTERRUPTED, "Ray's head has not answered for 61 s")
        edit.queue_again()
    for _ in range(2):
        reconciler.reconcile()
        assert jobs.get(job.id).state is JobState.QUEUED
        assert list(head.statuses) == [first]
    assert head.stopped == [first, first]

    head.statuses[first] = "STOPPED"
    reconciler.reconcile()
    assert jobs.get(job.id).state is JobState.STARTING
    assert head.statuses == {first: "STOPPED", f"{job.id}-a2": "PENDING"}


def test_a_failed_run_tells_reason_rank_last_checkpoint_and_its_last_lines(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    job = server.begin_run()
    head.statuses[f"{job.id}-a1"] = "FAILED"
    job.work.log.write_text("".join(f"line {number}\n" for number in range(60)))
    for step in (5, 10):
        (job.work.checkpoints / f"step-{step:08d}").mkdir()
    cause = {"reason": "diverged", "message": "the loss is nan", "hint": "lower the learning rate"}
    write_json(job.work.error, {"rank": 1, "type": "DivergedError", **cause, "traceback": "…"})
    reconciler.reconcile()
    failure = client.runs.get(job.id).failure
    assert failure is not None
    assert failure.model_dump(exclude={"log"}) == {"rank": 1, **cause, "last_checkpoint": "step-00000010"}
    assert failure.log == [f"line {number}" for number in range(10, 60)]


def test_a_run_that_left_no_word_fails_with_what_ray_says(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    job = server.begin_run()
    head.statuses[f"{job.id}-a1"] = "FAILED"
    reconciler.reconcile()
    failure = client.runs.get(job.id).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("job_lost", head.message)
    assert failure.last_checkpoint is None


def test_runs_start_in_their_order_as_far_as_the_cluster_has_room(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    first, second, third, fourth = (server.queue_run() for _ in range(4))
    reconciler.reconcile()
    assert list(head.statuses) == [f"{first.id}-a1", f"{second.id}-a1"]
    waiting = client.runs.get(third.id)
    assert (waiting.state, waiting.queue_position) == (JobState.QUEUED, 1)
    assert waiting.reason == (
        "waits for 1 worker(s) of 1 CPU(s) and 0 GPU(s) each:"
        " 2 run(s) at work leave 1 node(s): 0 CPUs and 0 GPUs"
    )
    assert client.runs.get(fourth.id).reason == "1 run(s) ahead in the queue"
    assert [run.queue_position for run in client.runs.list()] == [2, 1, None, None]
    told = len(server.plane.jobs.events_after(third.id, 0))
    reconciler.reconcile()
    assert len(server.plane.jobs.events_after(third.id, 0)) == told

    head.statuses[f"{first.id}-a1"] = "SUCCEEDED"
    # One look finds that it is over, and the next that there is room.
    reconciler.reconcile()
    reconciler.reconcile()
    assert f"{third.id}-a1" in head.statuses
    assert client.runs.get(third.id).state is JobState.STARTING
    assert client.runs.get(fourth.id).queue_position == 1

    client.runs.stop(fourth.id)
    assert client.runs.get(fourth.id).state is JobState.STOPPED
    assert client.runs.get(fourth.id).queue_position is None


def test_a_run_that_a_shrunken_cluster_cannot_hold_waits_and_says_so(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    job = server.queue_run()
    head.cpus = 0.0
    reconciler.reconcile()
    assert client.runs.get(job.id).state is JobState.QUEUED
    assert client.runs.get(job.id).reason == (
        "waits for 1 worker(s) of 1 CPU(s) and 0 GPU(s) each, which the cluster cannot hold: it has"
        " 1 node(s): 0 CPUs and 0 GPUs"
    )
    head.cpus = 1.0
    reconciler.reconcile()
    assert client.runs.get(job.id).state is JobState.STARTING


def test_a_run_resumed_while_nodes_are_away_waits_for_them(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    """A head that was lost is back before its workers are."""
    server.add_dataset("photos")
    job = server.begin_run()
    run = ResolvedRun.model_validate_json(job.work.specification.read_bytes())
    pin = run.dataset.model_copy(update={"checksum": Manifest.load(Path(run.dataset.path)).checksum})
    write_json(job.work.specification, run.model_copy(update={"dataset": pin}).model_dump(mode="json"))
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.INTERRUPTED)
    head.cpus = 0.0
    assert client.runs.resume(job.id).state is JobState.QUEUED
    reconciler.reconcile()
    assert "which the cluster cannot hold" in (client.runs.get(job.id).reason or "")
    head.cpus = 2.0
    reconciler.reconcile()
    assert client.runs.get(job.id).state is JobState.STARTING


def test_a_run_that_the_cluster_cannot_hold_or_whose_folder_is_gone_holds_nobody_up(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    lost, large, small = (server.queue_run() for _ in range(3))
    shutil.rmtree(lost.work.path)
    wanted = json.loads(large.work.specification.read_text())
    wanted["allocation"].update(num_workers=3, min_workers=3)
    write_json(large.work.specification, wanted)
    reconciler.reconcile()
    failed = client.runs.get(lost.id)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert failed.failure.reason == "folder_lost"
    assert client.runs.get(large.id).state is JobState.QUEUED
    assert client.runs.get(small.id).state is JobState.STARTING


def test_an_elastic_run_starts_with_the_workers_there_is_room_for(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    fixed, elastic, third = (server.queue_run() for _ in range(3))
    wanted = json.loads(elastic.work.specification.read_text())
    wanted["allocation"].update(num_workers=8, min_workers=1)
    write_json(elastic.work.specification, wanted)
    reconciler.reconcile()
    assert client.runs.get(fixed.id).state is JobState.STARTING
    assert client.runs.get(elastic.id).state is JobState.STARTING
    assert client.runs.get(third.id).state is JobState.QUEUED


def test_a_resumed_run_takes_its_place_behind_those_that_wait(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    head.cpus = 0.0
    resumed = server.begin_run()
    with server.plane.jobs.editing(resumed.id) as edit:
        edit.move_to(JobState.STOPPED)
    waiting = server.queue_run()
    time.sleep(0.01)
    with server.plane.jobs.editing(resumed.id) as edit:
        edit.queue_again()
    assert client.runs.get(waiting.id).queue_position == 1
    assert client.runs.get(resumed.id).queue_position == 2


def test_an_attempt_given_up_in_silence_is_ended_when_the_head_answers_again(
    server, head, reconciler: Reconciler
) -> None:
    job = server.begin_run()
    head.statuses[f"{job.id}-a1"] = "RUNNING"
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.INTERRUPTED, "Ray's head has not answered for 61 s")
    reconciler.reconcile()
    reconciler.reconcile()
    assert head.stopped == [f"{job.id}-a1"]


def test_a_run_in_whose_folder_a_lost_process_still_trains_is_not_deleted(server, client: Client) -> None:
    job = server.begin_run()
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.INTERRUPTED)
    with sole_attempt(job.work), pytest.raises(ApiError, match="has not ended yet") as caught:
        client.runs.delete(job.id)
    assert caught.value.status == 409
    client.runs.delete(job.id)
    assert not job.work.path.exists()


def test_indexings_are_done_one_at_a_time_and_wait_for_no_run(
    server, head, reconciler: Reconciler, tmp_path: Path
) -> None:
    jobs = server.plane.jobs
    run = server.begin_run()
    head.statuses[f"{run.id}-a1"] = "RUNNING"
    for job_id in ("first", "second"):
        queue_indexing(server, tmp_path, job_id)
    for _ in range(2):
        reconciler.reconcile()
        assert jobs.get("first").state is JobState.STARTING
        second = jobs.get("second")
        assert (second.state, second.reason) == (JobState.QUEUED, "waits for another indexing")
    head.statuses["first-a1"] = "SUCCEEDED"
    reconciler.reconcile()
    reconciler.reconcile()
    assert jobs.get("first").state is JobState.SUCCEEDED
    assert jobs.get("second").state is JobState.STARTING


def test_a_stop_that_the_job_heard_while_ray_was_asked_outranks_its_success(
    server, head, reconciler: Reconciler
) -> None:
    job = server.begin_run()
    attempt = f"{job.id}-a1"

    def stop_meanwhile() -> None:
        with server.plane.jobs.editing(job.id) as edit:
            edit.row.stop_mode = "graceful"
            edit.move_to(JobState.STOPPING)

    head.statuses[attempt] = "SUCCEEDED"
    head.before_answering[attempt] = stop_meanwhile
    reconciler.reconcile()
    assert server.plane.jobs.get(job.id).state is JobState.STOPPED


def test_a_stop_that_only_the_job_knows_of_is_one(server, head, reconciler: Reconciler) -> None:
    """The control plane was killed between telling the job and telling the database."""
    job = server.begin_run()
    job.work.ask_to_stop()
    head.statuses[f"{job.id}-a1"] = "SUCCEEDED"
    reconciler.reconcile()
    assert server.plane.jobs.get(job.id).state is JobState.STOPPED


def test_a_failure_that_names_a_file_of_odd_bytes_is_told(
    server, client: Client, head, reconciler: Reconciler
) -> None:
    job = server.begin_run()
    head.statuses[f"{job.id}-a1"] = "FAILED"
    message = os.fsdecode(b"caf\xe9\0.tar.gz is compressed")
    write_json(job.work.error, {"reason": "bad_source", "message": message, "hint": None})
    reconciler.reconcile()
    failed = client.runs.get(job.id)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert failed.failure.message == r"caf\udce9\x00.tar.gz is compressed"
    assert failed.failure.message in (failed.reason or "")


def test_what_a_job_told_is_read_to_its_end_before_the_job_is_over(
    server, head, reconciler: Reconciler
) -> None:
    job = server.begin_run()
    with job.work.progress.open("w") as progress:
        for step in range(1, 6001):
            line = {"kind": "progress", "at": "2026-01-01T00:00:00.000+00:00", "step": step, "x": "x" * 1000}
            progress.write(json.dumps(line) + "\n")
    head.statuses[f"{job.id}-a1"] = "SUCCEEDED"
    reconciler.reconcile()
    assert not server.plane.jobs.get(job.id).state.is_terminal
    reconciler.reconcile()
    ended = server.plane.jobs.get(job.id)
    assert (ended.state, ended.progress["step"]) == (JobState.SUCCEEDED, 6000)


def test_only_a_head_that_is_asked_and_does_not_answer_is_silent(server) -> None:
    jobs, nobody = server.plane.jobs, RayCluster(f"http://127.0.0.1:{free_port()}")
    reconciler = Reconciler(jobs, nobody, server.plane.models, patience_seconds=0.2)
    first = server.begin_run()
    reconciler.reconcile()
    with jobs.editing(first.id) as edit:
        edit.move_to(JobState.STOPPED)
    time.sleep(0.3)
    # Nobody asks.
    reconciler.reconcile()
    second = server.begin_run()
    reconciler.reconcile()
    assert jobs.get(second.id).state is JobState.RUNNING
    time.sleep(0.3)
    reconciler.reconcile()
    assert jobs.get(second.id).state is JobState.INTERRUPTED
    nobody.close()


def test_a_job_that_waits_and_asks_nobody_does_not_end_the_silence(server, tmp_path: Path) -> None:
    jobs, nobody = server.plane.jobs, RayCluster(f"http://127.0.0.1:{free_port()}")
    reconciler = Reconciler(jobs, nobody, server.plane.models, patience_seconds=0.2)
    for job_id in ("first", "second"):
        queue_indexing(server, tmp_path, job_id)
    with jobs.editing("first") as edit:
        edit.begin_attempt()
        edit.move_to(JobState.RUNNING)
    reconciler.reconcile()
    time.sleep(0.3)
    reconciler.reconcile()
    assert jobs.get("first").state is JobState.INTERRUPTED
    nobody.close()
