"""The options of commands that listen, and the settings they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service.settings import Settings

Host = Annotated[str | None, typer.Option(help="Address to listen on; by default TANDEM_HOST or 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; by default TANDEM_PORT or 8000.")]
Home = Annotated[Path | None, typer.Option(help="Where all is kept; by default TANDEM_HOME or ./.tandem.")]


def settings_with(host: str | None, port: int | None, home: Path | None) -> Settings:
    """The environment's settings, less what was given on the command line."""
    given: dict[str, Any] = {"host": host, "port": port, "home": home}
    return Settings(**{name: value for name, value in given.items() if value is not None})
