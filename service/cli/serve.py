"""`tandem serve`: the classification server alone, for a stack put together elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from service import logs
from service.cli.server_options import Home, settings_with
from service.http.listener import inherited, listen
from service.huge_pages import restart_with_huge_pages


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8001,
    home: Home = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="How many processes answer on the port, each with its share of the cores; by default"
            " TANDEM_SERVING_PROCESSES or 1. Small networks are answered faster by several.",
            min=1,
        ),
    ] = None,
    fd: Annotated[
        int | None, typer.Option(help="A bound socket to listen on in place of host and port.", min=0)
    ] = None,
) -> None:
    """Run the classification server alone.

    It answers with the models published below TANDEM_HOME. The control plane asks it; nobody else should.
    """
    logs.configure("json")
    settings = settings_with(None, None, home)
    count = processes or settings.serving_processes
    if count > 1 and fd is None:
        from service.stack.serving_processes import run

        run(settings, host, port, count)
        return
    restart_with_huge_pages()
    # What is imported until then is imported twice, and this is torch.
    from service.serving.app import serve as serve_models

    serve_models(settings, listen(host, port) if fd is None else inherited(fd))
