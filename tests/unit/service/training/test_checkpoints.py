"""Checkpoints are written beside the training, and hold what it was when they were begun."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.checkpoint import load_checkpoint
from model.checkpoint_record import CheckpointRecord
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from model.snapshot import Snapshot
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.session import Session

RunOn = Callable[..., tuple[JobFolder, ResolvedRun]]


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Nothing is written before this is set."""
    may_write = threading.Event()
    write = Snapshot.write

    def write_later(snapshot: Snapshot, folder: Path) -> CheckpointRecord:
        may_write.wait()
        return write(snapshot, folder)

    monkeypatch.setattr(Snapshot, "write", write_later)
    return may_write


def session_of(folder: JobFolder, run: ResolvedRun) -> tuple[Session, AlexNet]:
    network = AlexNet(run.model, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    share = Share.of(0, 1, run.recipe.global_batch_size)
    return Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network), network


def events(folder: JobFolder) -> list[dict[str, object]]:
    return [json.loads(line) for line in folder.events.read_text().splitlines()]


def test_steps_go_on_while_a_checkpoint_is_written_and_do_not_get_into_it(
    dataset: Path, tmp_path: Path, run_on: RunOn, slow_disk: threading.Event
) -> None:
    # Three steps an epoch, and nothing to wait for within the second.
    folder, run = run_on(tmp_path, dataset, "quick", epochs=3)
    session, network = session_of(folder, run)
    seen = {}
    steps_done = 0

    def look(*_: object) -> None:
        nonlocal steps_done
        if network.training:
            if steps_done == 3:
                seen.update(network.canonical_parameters())
            if steps_done == 5:
                assert folder.checkpoint_names() == []
                slow_disk.set()
            steps_done += 1

    network.register_forward_pre_hook(look)
    assert len(list(session.epochs())) == 3
    first = load_checkpoint(folder.checkpoints / "step-00000003")
    assert (first.record.step, first.record.epoch) == (3, 1)
    for name, expected in seen.items():
        assert torch.equal(first.parameters[name], expected), name
    told = [line["name"] for line in events(folder) if line["kind"] == "checkpoint"]
    assert told == ["step-00000003", "step-00000006", "step-00000009"]


def test_a_rate_that_falls_because_the_error_does_not_is_told_of(
    dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    schedule = {"kind": "plateau", "patience_epochs": 1, "drops": 2}
    folder, run = run_on(tmp_path, dataset, "paper", epochs=5, schedule=schedule, learning_rate=1e-9)
    list(session_of(folder, run)[0].epochs())
    told = [line["message"] for line in events(folder) if line.get("code") == "plateau"]
    assert told == [
        f"the validation error has stopped falling at epoch {epoch}:"
        f" the learning rate goes from {before} to {after}"
        for epoch, before, after in ((2, "1e-09", "1e-10"), (3, "1e-10", "1e-11"))
    ]
