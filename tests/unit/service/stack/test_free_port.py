"""A port for a server that starts in a while is still free by then."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from service.stack import free_port as module
from service.stack.free_port import free_port

GiveFrom = Callable[[int], None]


@pytest.fixture
def give_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GiveFrom:
    """Has Linux give the ports from one on."""

    def give(first: int) -> None:
        given = tmp_path / "ip_local_port_range"
        given.write_text(f"{first}\t60999\n")
        monkeypatch.setattr(module, "_GIVEN_PORTS", given)

    return give


def test_it_is_none_that_linux_gives_to_who_asks_for_any(give_from: GiveFrom) -> None:
    give_from(24_000)
    found = {free_port() for _ in range(50)}
    assert all(20_000 <= port < 24_000 for port in found)
    assert len(found) > 25


def test_none_is_one_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        port = taken.getsockname()[1]
        monkeypatch.setattr(module, "_CHOSEN_PORTS", range(port, port + 1))
        assert free_port() != port


def test_where_linux_gives_all_it_is_one_that_it_gives(give_from: GiveFrom) -> None:
    give_from(1024)
    port = free_port()
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
