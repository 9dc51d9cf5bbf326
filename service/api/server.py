"""Serves the control plane: refuses what would be unsafe or cannot work before it listens."""

from __future__ import annotations

import gc

import uvicorn

from service.api.app import create_app
from service.api.security import refuse_open_host
from service.http.grace import grace_seconds
from service.http.listener import listen
from service.settings import Settings


def serve(settings: Settings) -> None:
    """Runs the API until it is told to end.

    Raises `StackError` for a taken port, or a host beyond loopback without a token.
    """
    listener = listen(settings.host, settings.port)
    app = create_app(settings)
    refuse_open_host(settings, app.state.control_plane.tokens)
    # What is there by now stays. Looked through again and again, it held requests up for 100 ms at a time.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        # What it has been measured and tried with, by absurd requests too; serving has the faster ones.
        loop="asyncio",
        http="h11",
        log_config=None,
        timeout_graceful_shutdown=grace_seconds(settings.request_seconds),
        access_log=False,
    )
    uvicorn.Server(config).run(sockets=[listener])
