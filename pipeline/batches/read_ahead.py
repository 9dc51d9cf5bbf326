"""Work done ahead of whoever needs it."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import closing
from threading import Condition, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Runs a generator in a thread, up to `ahead` items before they are asked for.

    What the generator raises is raised to the consumer. `close`, or leaving the context, closes the
    generator, ends the thread and waits until both have ended; items not yet asked for are dropped.
    """

    def __init__(self, source: Generator[T], ahead: int) -> None:
        self._source = source
        self._ahead = ahead
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._closed = False
        self._finished = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._finished)
            if self._items:
                self._changed.notify_all()
                return self._items.popleft()
        if self._error is not None:
            raise self._error
        raise StopIteration

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            with closing(self._source):
                for item in self._source:
                    if not self._hand_over(item):
                        break
        # Whatever it is, the consumer waits for it: unseen here, it would wait for ever.
        except BaseException as error:
            self._error = error
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def _hand_over(self, item: T) -> bool:
        """Waits for room; False when nobody wants the item any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._ahead)
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed
