"""What the API remembers of tokens, and for how long."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from service.api.callers import REMEMBERED_SECONDS, Callers
from service.store.database import Database
from service.store.tokens import Caller, TokenStore


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def elsewhere(database: Database) -> TokenStore:
    """The same tokens as another process sees them."""
    return TokenStore(database)


def any_known(callers: Callers) -> bool:
    return anyio.run(callers.any_known)


def find(callers: Callers, token: str) -> Caller | None:
    return anyio.run(partial(callers.find, token))


def test_a_token_made_elsewhere_is_needed_within_a_second(database: Database, elsewhere: TokenStore) -> None:
    clock = Clock()
    callers = Callers(TokenStore(database), clock)
    assert not any_known(callers)
    token = elsewhere.create("elsewhere", ["read"])
    assert find(callers, token) is not None
    clock.seconds += REMEMBERED_SECONDS + 0.01
    assert any_known(callers)


def test_a_token_made_here_is_needed_at_once(database: Database) -> None:
    tokens = TokenStore(database)
    callers = Callers(tokens, Clock())
    assert not any_known(callers)
    token = tokens.create("here", ["read", "predict"])
    assert any_known(callers)
    caller = find(callers, token)
    assert caller is not None
    assert (caller.name, caller.scopes) == ("here", {"read", "predict"})


def test_scopes_changed_elsewhere_hold_within_a_second(database: Database, elsewhere: TokenStore) -> None:
    clock = Clock()
    callers = Callers(TokenStore(database), clock)
    token = elsewhere.create("changing", ["read", "write"])
    find(callers, token)
    elsewhere.accept("changing", token, ["read"])
    clock.seconds += REMEMBERED_SECONDS + 0.01
    caller = find(callers, token)
    assert caller is not None
    assert caller.scopes == {"read"}


def test_an_unknown_token_is_known_as_soon_as_it_is_made(database: Database, elsewhere: TokenStore) -> None:
    callers = Callers(TokenStore(database), Clock())
    assert find(callers, "made-elsewhere") is None
    elsewhere.accept("late", "made-elsewhere", ["read"])
    assert find(callers, "made-elsewhere") is not None
