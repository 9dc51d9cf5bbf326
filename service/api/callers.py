"""Who sends a request, by its token, without asking the database at every request."""

from __future__ import annotations

import time
from collections.abc import Callable

from anyio.to_thread import run_sync

from service.store.tokens import Caller, TokenStore

REMEMBERED_SECONDS = 1.0


class Callers:
    """What the database said of a token, or of there being any, holds for a second.

    So a token made or changed by another process is known here within that second; one made by this process
    is known at once. Tokens that are not known are asked for each time: there is no end of them.
    """

    def __init__(self, tokens: TokenStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._any: tuple[bool, float] | None = None
        self._found: dict[str, tuple[Caller, float]] = {}
        self._changes = tokens.changes

    async def any_known(self) -> bool:
        """Whether there is any token, so that requests need one."""
        self._forget_what_changed()
        if self._any is None or self._is_old(self._any[1]):
            asked_at = self._clock()
            self._any = await run_sync(self._tokens.any_exist), asked_at
        return self._any[0]

    async def find(self, token: str) -> Caller | None:
        """Whose a token is and what it may do; None when it is not known."""
        self._forget_what_changed()
        key = self._tokens.key_of(token)
        found = self._found.get(key)
        if found is not None and not self._is_old(found[1]):
            return found[0]
        asked_at = self._clock()
        caller = await run_sync(self._tokens.find, token)
        if caller is None:
            self._found.pop(key, None)
        else:
            self._found[key] = caller, asked_at
        return caller

    def _is_old(self, asked_at: float) -> bool:
        return self._clock() - asked_at > REMEMBERED_SECONDS

    def _forget_what_changed(self) -> None:
        if self._changes != self._tokens.changes:
            self._changes = self._tokens.changes
            self._any = None
            self._found.clear()
