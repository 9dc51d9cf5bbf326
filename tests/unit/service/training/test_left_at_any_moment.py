"""A run that is left at any moment of its course tells the same of each epoch, once, and ends the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint_record import RECORD_FILE, CheckpointRecord
from model.errors import DivergedError
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.checkpoints import RunCheckpoints
from service.training.session import Session

RunOn = Callable[..., tuple[JobFolder, ResolvedRun]]

# Three steps an epoch and one batch to validate with: the second epoch is cut short.
COURSE = {"epochs": 4, "max_steps": 5}
FORWARDS = ["step 1", "step 2", "step 3", "validation 1", "step 4", "step 5", "validation 2"]


class KilledError(Exception):
    """What ends an attempt."""


def session_of(
    folder: JobFolder, run: ResolvedRun, before_forward: Callable[[int], None] | None = None
) -> Session:
    """`before_forward` is told the number of every forward pass of the attempt, from 0."""
    network = AlexNet(run.model, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    if before_forward:
        numbers = iter(range(1_000))
        network.register_forward_pre_hook(lambda *_: before_forward(next(numbers)))
    share = Share.of(0, 1, run.recipe.global_batch_size)
    return Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network)


def killed_at(fatal: int) -> Callable[[int], None]:
    def look(number: int) -> None:
        if number == fatal:
            raise KilledError

    return look


def lines(folder: JobFolder, kind: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in folder.events.read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if key not in {"at", "seconds"}}
        for line in told
        if line["kind"] == kind
    ]


def ending(folder: JobFolder) -> tuple[list[dict[str, Any]], CheckpointRecord]:
    """What was told of the epochs, and the record of the last checkpoint, its tensors' checksums included."""
    record = CheckpointRecord.load(folder.checkpoints / folder.checkpoint_names()[-1])
    record.verify(folder.checkpoints / folder.checkpoint_names()[-1])
    return lines(folder, "epoch"), record


@pytest.fixture(scope="module")
def undisturbed(
    dataset: Path, tmp_path_factory: pytest.TempPathFactory, run_on: RunOn
) -> tuple[list[dict[str, Any]], CheckpointRecord]:
    folder, run = run_on(tmp_path_factory.mktemp("undisturbed"), dataset, "quick", **COURSE)
    assert len(list(session_of(folder, run).epochs())) == 2
    return ending(folder)


@pytest.mark.parametrize(("every_steps", "course"), [(3, {"epochs": 2}), (5, COURSE), (1, COURSE)])
def test_the_last_checkpoint_has_the_last_validation_whatever_step_it_falls_on(
    dataset: Path, tmp_path: Path, run_on: RunOn, every_steps: int, course: dict[str, int]
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", every_steps=every_steps, **course)
    *_, last = session_of(folder, run).epochs()
    _, record = ending(folder)
    assert (record.step, record.epoch) == (last.step, last.epoch)
    assert record.metrics == {
        name: getattr(last, name) for name in ("val_loss", "val_top1_error", "val_top5_error")
    }
    names = [line["name"] for line in lines(folder, "checkpoint")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("every_steps", [1, 5])
@pytest.mark.parametrize("fatal", range(len(FORWARDS)), ids=FORWARDS)
def test_a_run_killed_in_a_step_or_a_validation_ends_as_one_that_was_not(
    dataset: Path, tmp_path: Path, run_on: RunOn, undisturbed: object, fatal: int, every_steps: int
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", every_steps=every_steps, **COURSE)
    with pytest.raises(KilledError):
        list(session_of(folder, run, killed_at(fatal)).epochs())
    list(session_of(folder, run).epochs())
    assert ending(folder) == undisturbed
    assert list(session_of(folder, run).epochs()) == [], "nothing is left to do"
    assert ending(folder) == undisturbed


@pytest.mark.parametrize("step", range(1, 6))
def test_a_run_stopped_after_a_step_and_killed_in_the_next_pass_ends_as_one_that_was_not(
    dataset: Path, tmp_path: Path, run_on: RunOn, undisturbed: object, step: int
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", **COURSE)

    def stop(number: int) -> None:
        if number == FORWARDS.index(f"step {step}"):
            folder.ask_to_stop()

    list(session_of(folder, run, stop).epochs())
    assert folder.checkpoint_names()[-1] == f"step-{step:08d}"
    folder.clear_ending()
    # After the last step of an epoch this is its validation, which is owed still.
    for _ in range(2):
        with pytest.raises(KilledError):
            list(session_of(folder, run, killed_at(0)).epochs())
    list(session_of(folder, run).epochs())
    assert ending(folder) == undisturbed


def test_a_run_killed_between_telling_of_an_epoch_and_its_checkpoint_tells_of_it_once(
    dataset: Path, tmp_path: Path, run_on: RunOn, undisturbed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", every_steps=2, **COURSE)
    begin = RunCheckpoints.begin

    def killed_at_the_end(checkpoints: RunCheckpoints) -> None:
        if len(lines(folder, "epoch")) == 2:
            raise KilledError
        begin(checkpoints)

    with monkeypatch.context() as patch:
        patch.setattr(RunCheckpoints, "begin", killed_at_the_end)
        with pytest.raises(KilledError):
            list(session_of(folder, run).epochs())
    assert folder.checkpoint_names()[-1] == "step-00000004"
    list(session_of(folder, run).epochs())
    assert ending(folder) == undisturbed


def test_a_checkpoint_that_does_not_know_its_epochs_losses_is_gone_on_from(
    dataset: Path, tmp_path: Path, run_on: RunOn, undisturbed: tuple[list[dict[str, Any]], CheckpointRecord]
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", every_steps=2, **COURSE)
    with pytest.raises(KilledError):
        list(session_of(folder, run, killed_at(FORWARDS.index("step 3"))).epochs())
    path = folder.checkpoints / "step-00000002" / RECORD_FILE
    record = json.loads(path.read_text())
    assert record.pop("epoch_loss")["steps"] == 2
    path.write_text(json.dumps(record))
    list(session_of(folder, run).epochs())
    (first, second), record = ending(folder)
    (expected, *others), expected_record = undisturbed
    told = [json.loads(line) for line in folder.progress.read_text().splitlines()]
    (loss,) = [line["loss"] for line in told if line["step"] == 3]
    assert first == expected | {"train_loss": loss}, "that of the steps after it"
    assert ([second], record) == (others, expected_record)


def test_a_validation_whose_loss_is_no_number_ends_the_run_as_diverged_and_leaves_no_such_checkpoint(
    dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    # One step an epoch: what it does to the weights is seen by the validation first.
    folder, run = run_on(tmp_path, dataset, "quick", epochs=3)
    recipe = run.recipe.model_copy(update={"global_batch_size": 12, "learning_rate": 1e25})
    run = run.model_copy(update={"recipe": recipe})
    for _ in range(2):
        with pytest.raises(DivergedError) as caught:
            list(session_of(folder, run).epochs())
        error = caught.value
        assert error.step == 1
        assert error.learning_rate > 0
        assert not torch.tensor(error.loss).isfinite()
        assert error.last_checkpoint is None
        assert folder.checkpoint_names() == []
    assert lines(folder, "epoch") == []


def test_a_checkpoint_of_the_weights_that_gave_no_number_is_not_the_last_good_one(
    dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", every_steps=1, **COURSE)
    with pytest.raises(KilledError):
        list(session_of(folder, run, killed_at(FORWARDS.index("step 2"))).epochs())
    recipe = run.recipe.model_copy(update={"learning_rate": 1e25})
    ruined = run.model_copy(update={"recipe": recipe})
    for _ in range(2):
        with pytest.raises(DivergedError) as caught:
            list(session_of(folder, ruined).epochs())
        assert caught.value.step == 3
        assert folder.checkpoint_names() == ["step-00000001", "step-00000002"]
        assert caught.value.last_checkpoint == "step-00000001"
