"""Folders at names that others know: in the system's temporary folder, anybody may have made them before."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def make_own(folder: Path) -> None:
    """Makes it where it is not there. Raises PermissionError where it is and is somebody else's, and another
    OSError where it cannot be made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_own(folder):
        raise PermissionError(errno.EPERM, "it is somebody else's", str(folder))


def make_private(folder: Path) -> None:
    """As `make_own`; raises PermissionError, too, for a folder that others may look into."""
    make_own(folder)
    if folder.stat().st_mode & 0o077:
        raise PermissionError(errno.EPERM, "it is open to others, and must be of mode 700", str(folder))


def is_own(folder: Path) -> bool:
    """Whether it is this user's; what somebody else's link leads to is not. Raises OSError without any."""
    return folder.stat().st_uid == os.geteuid() and folder.lstat().st_uid in (0, os.geteuid())
