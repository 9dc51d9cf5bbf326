"""Locks on files that go with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def held_if_there(path: Path) -> int | None:
    """A descriptor with a shared lock on a file; None where there is none any more."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    # It may have been let go of before the lock was there.
    if is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def removed(path: Path, *, only_asked: bool = False) -> bool:
    """Removes a file that nobody holds; whether it did, or, `only_asked`, whether it could."""
    try:
        with opened(path) as descriptor:
            if not locked(descriptor):
                return False
            if not only_asked:
                path.unlink()
    except FileNotFoundError:
        return False
    return True


def locked(descriptor: int) -> bool:
    """Whether nobody else holds the file; this process holds it alone then."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A descriptor, with whatever is locked by it, until it is left."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
