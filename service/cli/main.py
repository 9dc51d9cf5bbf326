"""The console script: finds the command, and turns whatever goes wrong into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from service.cli.commands import CommandTable, module
from service.cli.exit_code import ExitCode

DEBUG = "--debug"

app = typer.Typer(cls=CommandTable, add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    _debug: Annotated[
        bool, typer.Option(DEBUG, help="Show the traceback of an error, after any command.")
    ] = False,
) -> None:
    """Prepare labelled photos, train the two-tower AlexNet on them, and classify over HTTP.

    Settings come from TANDEM_… in the environment or a .env file. Exit codes: 0 done, 1 failed, 2 usage,
    3 bad input, 4 too many photos in quarantine, 130 interrupted.
    """
    if show_version:
        typer.echo(f"tandem {version('tandem')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code; with --debug among it, errors pass through."""
    command = typer.main.get_command(app)
    try:
        answer = command.main(
            args=[argument for argument in arguments if argument != DEBUG],
            prog_name="tandem",
            standalone_mode=False,
        )
    except Exception as error:
        if DEBUG in arguments:
            raise
        failure = module("failures").explain(error)
        typer.echo(f"tandem: {failure.line}", err=True)
        code: int = failure.code
        return code
    # Typer answers with the code of an early exit, and with the command's own answer otherwise.
    code = answer if isinstance(answer, int) else ExitCode.DONE
    if code == ExitCode.INTERRUPTED:
        typer.echo("tandem: interrupted", err=True)
    return code


def main() -> None:
    sys.exit(run(sys.argv[1:]))
