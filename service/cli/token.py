"""`tandem token create`: tokens for the API, straight into its database."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.errors import BadArgumentsError
from service.cli.output import remarks, results
from service.settings import Settings
from service.store.database import Database
from service.store.tokens import SCOPES, TokenStore

app = typer.Typer(add_completion=False)


@app.callback()
def token() -> None:
    """Make tokens for the API.

    Once there is one, every request needs one.
    """


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="Whose token it is.")] = "default",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do, repeated for more; by default everything.")
    ] = None,
) -> None:
    """Make a token and print it, once: only its hash is kept.

    Run it on the server's machine, with the server's TANDEM_HOME or TANDEM_DATABASE_URL.
    """
    wanted = set(scope or SCOPES)
    scopes = [known for known in SCOPES if known in wanted]
    if unknown := wanted.difference(SCOPES):
        raise BadArgumentsError(f"--scope {unknown.pop()} is none of {', '.join(SCOPES)}")
    settings = Settings()
    database = Database(settings.resolved_database_url)
    try:
        made = TokenStore(database).create(name, scopes)
    finally:
        database.close()
    remarks.print(f"token {name!r} with {', '.join(scopes)}, in {settings.home}; it is not shown again:")
    results.print(made)
