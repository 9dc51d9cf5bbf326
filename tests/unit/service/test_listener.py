"""A server takes its port before anything else, and says what to do when it cannot."""

from __future__ import annotations

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
