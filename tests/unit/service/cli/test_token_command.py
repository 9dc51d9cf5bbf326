"""`tandem token`."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.cli.main import run
from service.settings import Settings
from service.store.database import Database
from service.store.tokens import TokenStore


@pytest.mark.parametrize(
    ("options", "scopes"),
    [([], {"read", "write", "predict"}), (["--scope", "read", "--scope", "predict"], {"read", "predict"})],
)
def test_the_token_printed_has_the_scopes_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    scopes: set[str],
) -> None:
    monkeypatch.setenv("TANDEM_HOME", str(tmp_path))
    assert run(["token", "create", "--name", "ci", *options]) == 0
    token = capsys.readouterr().out.strip()
    database = Database(Settings().resolved_database_url)
    try:
        caller = TokenStore(database).find(token)
        assert caller is not None
        assert caller.scopes == scopes
    finally:
        database.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TANDEM_HOME", str(tmp_path))
    return tmp_path


def test_tokens_are_listed_by_name_and_never_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["token", "create", "--name", "ci", "--scope", "predict"])
    secret = capsys.readouterr().out.strip()
    assert run(["token", "list"]) == 0
    listed = capsys.readouterr().out
    assert "ci  predict" in listed
    assert secret not in listed


def test_a_revoked_token_is_not_known_any_more(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["token", "create", "--name", "stays"])
    for _ in range(2):
        run(["token", "create", "--name", "goes"])
    capsys.readouterr()
    assert run(["token", "revoke", "goes"]) == 0
    assert "2 token(s)" in capsys.readouterr().out
    run(["token", "list"])
    assert "goes" not in capsys.readouterr().out


def test_a_name_without_tokens_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", "revoke", "nobody"]) == 2
    assert "tandem token list" in capsys.readouterr().err


def test_the_last_token_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any, the API would answer whoever asks."""
    run(["token", "create", "--name", "only"])
    assert run(["token", "revoke", "only"]) == 1
    assert "make another first" in capsys.readouterr().err
    run(["token", "list"])
    assert "only" in capsys.readouterr().out


def test_a_token_of_the_environment_takes_the_place_of_the_one_before_it(home: Path) -> None:
    database = Database(Settings().resolved_database_url)
    try:
        tokens = TokenStore(database)
        tokens.accept("TANDEM_TOKEN", "old", ["read"])
        tokens.accept("TANDEM_METRICS_TOKEN", "other", ["read"])
        tokens.accept("TANDEM_TOKEN", "new", ["read", "write"])
        assert tokens.find("old") is None
        assert tokens.find("other") is not None
        assert tokens.find("new") is not None
    finally:
        database.close()
