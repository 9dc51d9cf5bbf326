"""`tandem token create`."""

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
