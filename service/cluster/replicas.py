"""The processes that answer at one URL: every address its host has, and which of them has least to do."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx

# What is asked for again is a table in memory, of the resolver that containers and pods have beside them.
LOOK_UP_SECONDS: Final = 1.0


class Replicas:
    """Base URLs, one for each address; looked up anew every second, for replicas come and go.

    A connection is kept for many requests, and the operating system sorts addresses its own way: left to
    them, one replica would have most of the work. Belongs to one event loop, but for `all`.
    """

    def __init__(self, base_url: str) -> None:
        self._url = httpx.URL(base_url)
        self._is_one = self._url.scheme != "http" or _is_address(self._url.host)
        self._known: list[str] = [base_url.rstrip("/")] if self._is_one else []
        self._looked_up_at = 0.0
        self._at_work: Counter[str] = Counter()

    def all(self) -> list[str]:
        """Every replica there is now. Raises OSError for a host that has no address."""
        if self._is_one:
            return self._known
        found = socket.getaddrinfo(self._url.host, self._port, type=socket.SOCK_STREAM)
        return self._urls(str(address[0]) for *_, address in found)

    async def by_work(self) -> list[str]:
        """Every replica, the one with the fewest requests under way first. Raises OSError as `all` does."""
        is_old = time.monotonic() - self._looked_up_at > LOOK_UP_SECONDS
        if not self._is_one and (is_old or not self._known):
            # Noted first, so that of many requests one looks up; the others take what is known.
            self._looked_up_at = time.monotonic()
            await self._look_up()
        return sorted(self._known, key=self._at_work.__getitem__)

    @contextmanager
    def working(self, replica: str) -> Iterator[None]:
        """While a request is under way at a replica."""
        self._at_work[replica] += 1
        try:
            yield
        finally:
            self._at_work[replica] -= 1

    async def _look_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._url.host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            # Those that were known are as good as ever.
            if not self._known:
                raise
            return
        self._known = self._urls(str(address[0]) for *_, address in found)

    @property
    def _port(self) -> int:
        return self._url.port or 80

    def _urls(self, addresses: Iterable[str]) -> list[str]:
        return [str(self._url.copy_with(host=address)).rstrip("/") for address in sorted(set(addresses))]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
