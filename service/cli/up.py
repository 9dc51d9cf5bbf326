"""`tandem up`: everything on this machine, until it is interrupted."""

from __future__ import annotations

import sys

from service import logs
from service.cli.output import remarks
from service.cli.server_options import Home, Host, Port, settings_with
from service.stack.up import run


def up(host: Host = None, port: Port = None, home: Home = None) -> None:
    """Run the whole stack on this machine.

    A Ray head, the API and the classification server start, are started again when they end, and end with
    this command. Ctrl-C stops it.
    """
    settings = settings_with(host, port, home)
    logs.configure("console" if sys.stderr.isatty() else "json")
    remarks.print(f"starting Tandem at {settings.api_url}, in {settings.home} (Ctrl-C stops it)")
    run(settings)
