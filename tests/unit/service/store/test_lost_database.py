"""A database whose machine is gone without a word: whoever asks is told so, within seconds."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from sqlalchemy import make_url, text

from service.errors import DatabaseUnavailableError
from service.store.database import POSTGRES_OPTIONS, Database

# Linux would say so by itself after fifteen minutes, or never.
PATIENCE_SECONDS = 120
_ATTACH_FILTER = 26
_RETURN = 0x06


class Way:
    """Leads to a server, until it is cut: from then on nothing that is sent there is even acknowledged."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._from_clients: list[socket.socket] = []
        self._to_server: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()

    def cut(self) -> None:
        # A program of one instruction for each packet that comes: keep none of its bytes. The kernel drops it
        # before TCP has seen it, as a network does that ends nowhere.
        program = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, 0))
        named = struct.pack("HP", 1, ctypes.addressof(program))
        for each in (self._listener, *self._from_clients):
            each.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, named)

    def close(self) -> None:
        for each in (self._listener, *self._from_clients, *self._to_server):
            # Wakes who waits for it, as closing it does not.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _take(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._from_clients.append(client)
            self._to_server.append(server)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)


@pytest.fixture
def url(postgres) -> str:
    return postgres.new_database()


@pytest.fixture
def way(url: str) -> Way:
    there = make_url(url)
    assert there.host is not None
    assert there.port is not None
    return Way((there.host, there.port))


def ask(database: Database, statement: str) -> None:
    with database.reading() as connection:
        connection.execute(text(statement))


def test_who_asks_and_who_waits_for_an_answer_are_told_that_nobody_is_there(url: str, way: Way) -> None:
    database = Database(make_url(url).set(port=way.port).render_as_string(hide_password=False))
    with ThreadPoolExecutor(2) as threads, closing(way):
        waiting = threads.submit(ask, database, "SELECT pg_sleep(600)")
        with closing(Database(url)) as direct:
            while not _is_asleep(direct):
                time.sleep(0.02)
        ask(database, "SELECT 1")
        way.cut()
        asking = threads.submit(ask, database, "SELECT 1")
        for told in (asking, waiting):
            with pytest.raises(DatabaseUnavailableError, match="see that it runs"):
                told.result(PATIENCE_SECONDS)
    database.close()


def _is_asleep(database: Database) -> bool:
    of_it = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    with database.reading() as connection:
        return connection.execute(text(f"SELECT count(*) {of_it}")).scalar_one() == 1


def test_what_the_url_says_of_it_goes_before(url: str) -> None:
    with (
        closing(Database(f"{url}?tcp_user_timeout=3000")) as database,
        database.engine.connect() as connection,
    ):
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3000
            idle = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            assert idle == POSTGRES_OPTIONS["keepalives_idle"]
