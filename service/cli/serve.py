"""`tandem serve`: the classification server alone, for a stack put together elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from service import logs
from service.cli.server_options import Home, settings_with
from service.huge_pages import restart_with_huge_pages


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8001,
    home: Home = None,
) -> None:
    """Run the classification server alone.

    It answers with the models published below TANDEM_HOME. The control plane asks it; nobody else should.
    """
    logs.configure("json")
    restart_with_huge_pages()
    # What is imported until then is imported twice, and this is torch.
    from service.serving.app import serve as serve_models

    serve_models(settings_with(None, None, home), host, port)
