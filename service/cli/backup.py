"""`tandem backup`: a copy of the server's database, whether it runs or not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from service.cli.output import remarks, results
from service.settings import Settings
from service.store.backup import back_up


def backup(
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default one in TANDEM_HOME/backups.")
    ] = None,
) -> None:
    """Copy the database while the server runs.

    Run it on the server's machine. Datasets, runs and models are folders in TANDEM_HOME: copy those apart. To
    go back, stop the server and put the copy in the place of tandem.db, without the files tandem.db-wal and
    tandem.db-shm beside it.
    """
    settings = Settings()
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    out = out or settings.home / "backups" / f"tandem-{moment}.db"
    back_up(settings.resolved_database_url, out)
    remarks.print("copied the database to:")
    results.print(str(out))
