"""How many bytes of requests' bodies a process holds: who comes when it is full is told so at once."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from service.errors import OverloadedError

# A dozen of the largest. A body that is read, or sent on, may be there twice for a moment: together they are
# half of what deploy/ lets the API have.
ROOM_BYTES: Final = 256 * 2**20


class BodyRoom:
    """Belongs to one event loop. Has room for one of the largest bodies, so none is refused for its size."""

    def __init__(self, largest_bytes: int) -> None:
        self._most_bytes = max(ROOM_BYTES, largest_bytes)
        self.held_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Raises `OverloadedError` where there is no room for as much."""
        if self.held_bytes + size_bytes > self._most_bytes:
            raise OverloadedError(
                f"requests that came before hold {self.held_bytes} bytes: try again in a second"
            )
        self.held_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes


class BodyShare:
    """What one request holds of the room, until the block ends."""

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self._held_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Raises `OverloadedError` as the room does."""
        self._room.take(size_bytes)
        self._held_bytes += size_bytes

    def __enter__(self) -> BodyShare:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.give_back(self._held_bytes)
