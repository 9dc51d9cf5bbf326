"""Taking the port that a server will listen on, before the server is put together."""

from __future__ import annotations

import socket
from typing import Final

from service.errors import StackError

# As many as uvicorn has.
_BACKLOG: Final = 2048


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; raises `StackError` saying what to do when the port is taken."""
    return _bound(host, port, shared=False)


def listen_together(host: str, port: int) -> socket.socket:
    """A listening socket whose port other such sockets may have too: connections are dealt out among them,
    and wait where nobody takes them yet. Raises `StackError` when another kind has the port."""
    listener = _bound(host, port, shared=True)
    listener.listen(_BACKLOG)
    return listener


def inherited(descriptor: int) -> socket.socket:
    """The bound socket that whoever started this process has left open; raises `StackError` without one."""
    try:
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise StackError(
            f"--fd={descriptor} is not a socket that is open here ({error.strerror}): leave --fd out, and the"
            " port is taken by --host and --port"
        ) from error


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # A socket that says it is TCP: asyncio turns Nagle's algorithm off for such alone, and with it on, each
    # answer on a connection that is kept waits 40 ms for the client's ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StackError(
            f"cannot listen on {host}:{port} ({error.strerror}): is another Tandem running there?"
            " Stop it, or choose another port with --port"
        ) from error
    return listener
