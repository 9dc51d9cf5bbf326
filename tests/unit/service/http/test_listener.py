"""A server takes its port before anything else, and says what to do when it cannot."""

from __future__ import annotations

import asyncio
import socket

import pytest

from service.errors import StackError
from service.http.listener import listen


def test_a_port_of_its_own_is_chosen_and_held() -> None:
    with listen("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert (host, port > 0) == ("127.0.0.1", True)
        listener.listen()
        with pytest.raises(StackError, match=rf"127\.0\.0\.1:{port}.*--port"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_cannot_be_taken() -> None:
    with pytest.raises(StackError, match=r"192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)


def test_an_answer_is_sent_at_once_and_not_when_the_last_one_is_acknowledged() -> None:
    async def option_of_an_accepted_connection() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection: socket.socket = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accept, sock=listen("127.0.0.1", 0)) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            option = await accepted
            writer.close()
        return option

    assert asyncio.run(option_of_an_accepted_connection()) == 1
