"""Serves the control plane: refuses what would be unsafe or cannot work before it listens."""

from __future__ import annotations

import socket

import uvicorn

from service.api.app import create_app
from service.api.security import refuse_open_host
from service.errors import StackError
from service.settings import Settings


def serve(settings: Settings) -> None:
    """Runs the API until it is told to end. Raises `StackError` for a taken port or an unsafe host."""
    listener = listen(settings.host, settings.port)
    app = create_app(settings)
    refuse_open_host(settings, app.state.control_plane.tokens)
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises `StackError` saying what to do when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StackError(
            f"cannot listen on {host}:{port} ({error.strerror}): is another Tandem running there?"
            " Stop it, or choose another port with --port or TANDEM_PORT"
        ) from error
    return listener
