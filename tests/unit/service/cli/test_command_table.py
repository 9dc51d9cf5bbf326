"""Finding commands, and what becomes of errors: exit codes and one line."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel

from model.errors import DivergedError
from pipeline.errors import BadDatasetError, BadSourceError, DatasetExistsError, TooManyQuarantinedError
from service.cli.commands import COMMANDS, load
from service.cli.failures import explain
from service.cli.main import run
from service.client import ApiError, ServerUnreachableError
from service.errors import FieldProblem


def test_help_lists_every_command_and_loads_none() -> None:
    program = (
        "import sys; from service.cli.main import run; code = run(['--help']); "
        "heavy = ('torch', 'ray', 'ffcv', 'fastapi', 'sqlalchemy', 'httpx', 'pydantic'); "
        "print(code, [name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *page, last = done.stdout.splitlines()
    assert last == "0 []"
    assert all(any(f" {name} " in line for line in page) for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_commands_line_in_the_list_is_the_first_of_its_own_help(name: str) -> None:
    help_text = load(name).help
    assert help_text is not None
    assert help_text.splitlines()[0] == COMMANDS[name].summary


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prepar"], "Did you mean 'prepare'?"),
        (["status"], "RUN"),
        (["status", "x", "--bogus"], "--bogus"),
        (["token"], "Missing command"),
        (["train"], "--dataset"),
        (["classify", "a.jpg", "--views", "3"], "--views 3"),
        (["token", "create", "--scope", "fly"], "fly"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_settings_that_make_no_sense_are_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_PORT", "99999")
    assert run(["runs"]) == 2
    assert "port" in capsys.readouterr().err


def test_no_server_is_one_line_that_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_URL", "http://127.0.0.1:9")
    assert run(["runs"]) == 1
    error = capsys.readouterr().err
    assert "tandem up" in error
    assert error.count("\n") == 1


def test_debug_lets_the_error_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_URL", "http://127.0.0.1:9")
    with pytest.raises(ServerUnreachableError):
        run(["runs", "--debug"])


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.cli.runs.connect", interrupt)
    assert run(["runs"]) == 130
    assert capsys.readouterr().err == "tandem: interrupted\n"


class Sized(BaseModel):
    size: int


def invalid() -> Exception:
    with pytest.raises(ValueError, match="size") as caught:
        Sized.model_validate({"size": "large"})
    return caught.value


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TooManyQuarantinedError("3 of 4"), 4),
        (BadSourceError("empty"), 3),
        (BadDatasetError("damaged"), 3),
        (DatasetExistsError("taken"), 3),
        (FileNotFoundError(2, "No such file or directory", "a.jpg"), 3),
        (ApiError(422, "invalid_spec", "no", [FieldProblem("dataset", "unknown")]), 3),
        (ApiError(409, "conflict", "taken", []), 3),
        (ApiError(401, "unauthorized", "send a token", []), 1),
        (ApiError(503, "overloaded", "full", []), 1),
        (ServerUnreachableError("none"), 1),
        (OSError(28, "No space left on device"), 1),
        (DivergedError(7, 0.5, float("nan")), 1),
        (RuntimeError("odd"), 1),
        (invalid(), 2),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert explain(error).code == code


def test_an_error_of_many_lines_is_told_in_one() -> None:
    line = explain(BadSourceError("first\n  second\tthird")).line
    assert line == "first second third"


def test_a_refusal_names_the_fields_it_is_about() -> None:
    error = ApiError(422, "invalid_spec", "cannot be done", [FieldProblem("recipe.epochs", "too many")])
    assert explain(error).line == "cannot be done (recipe.epochs: too many)"


def test_a_missing_token_says_where_commands_take_it_from() -> None:
    assert "TANDEM_TOKEN" in explain(ApiError(401, "unauthorized", "send a token", [])).line


def test_a_training_that_diverges_says_what_to_do_and_nothing_of_surprise() -> None:
    assert explain(DivergedError(7, 0.5, float("nan"))).line == (
        "the loss is nan at step 7 with learning rate 0.5: lower learning_rate"
    )
