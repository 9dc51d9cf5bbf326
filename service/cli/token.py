"""`tandem token`: tokens for the API, straight in its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    """Make, list and revoke tokens for the API.

    Once there is one, every request needs one. Run it on the server's machine, with the server's TANDEM_HOME
    or TANDEM_DATABASE_URL.
    """


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="Whose token it is.")] = "default",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do, repeated for more; by default everything.")
    ] = None,
) -> None:
    """Make a token and print it, once: only its hash is kept."""
    wanted = set(scope or SCOPES)
    scopes = [known for known in SCOPES if known in wanted]
    if unknown := wanted.difference(SCOPES):
        raise BadArgumentsError(f"--scope {unknown.pop()} is none of {', '.join(SCOPES)}")
    with token_store() as tokens:
        made = tokens.create(name, scopes)
    remarks.print(f"token {name!r} with {', '.join(scopes)}; it is not shown again:")
    results.print(made)


@app.command("list")
def listed() -> None:
    """List the tokens by name, with what each may do and since when."""
    with token_store() as tokens:
        found = tokens.listed()
    for entry in found:
        results.print(f"{entry.created_at}  {entry.name}  {', '.join(entry.scopes)}")
    if not found:
        remarks.print("no tokens: the API answers this machine alone, and asks for none")


@app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="The name that the tokens were made with.")]) -> None:
    """Make every token of a name invalid, within a second.

    TANDEM_TOKEN and TANDEM_METRICS_TOKEN are names too: of what the server was started with. They come back
    with the server unless its environment has changed; a changed one takes the old one's place by itself.
    """
    with token_store() as tokens:
        count = tokens.revoke(name)
    if not count:
        raise BadArgumentsError(f"no token is named {name!r}: see 'tandem token list'")
    results.print(f"{count} token(s) named {name!r} revoked")


@contextmanager
def token_store() -> Iterator[TokenStore]:
    database = Database(Settings().resolved_database_url)
    try:
        yield TokenStore(database)
    finally:
        database.close()
