"""What `tandem doctor` looks at. Each check returns one finding, and a finding says what to do."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import httpx

from pipeline.errors import NodeCacheUnusableError, StorageUnavailableError
from pipeline.storage.node_cache import NodeCache
from pipeline.storage.trial import try_storage
from service.errors import StackError
from service.http.listener import listen
from service.settings import Settings

IMPORT_SECONDS = 120
ANSWER_SECONDS = 10
GIB = 2**30
DISK_NEEDED_GIB = 1
DISK_WANTED_GIB = 10
SHARED_MEMORY_WANTED_GIB = 1

_TORCH = """
import torch
print(torch.__version__, "with", torch.get_num_threads(), "threads and", torch.cuda.device_count(), "GPUs")
"""
_FFCV = """
import importlib.metadata, pipeline.batches.native
from pipeline.ffcv_import import ffcv_import
with ffcv_import():
    import ffcv.libffcv, ffcv.writer, ffcv.loader
print(importlib.metadata.version("ffcv"))
"""


class Severity(StrEnum):
    GOOD = "good"
    ADVICE = "advice"
    BLOCKING = "blocking"


class Finding(NamedTuple):
    """One thing looked at: what was found, and what to do about it where it is not good."""

    subject: str
    severity: Severity
    found: str
    remedy: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """Every check, in the order in which to mend things."""
    yield python()
    yield importable("FFCV", _FFCV)
    yield importable("torch", _TORCH)
    yield disk(settings.home)
    if settings.storage is not None:
        yield object_storage(settings.storage)
        yield node_cache(settings)
    yield shared_memory(Path("/dev/shm"))
    yield from server(settings)


def python() -> Finding:
    # No older Python gets as far as this line: the package refuses to be installed for one.
    return Finding("Python", Severity.GOOD, f"{platform.python_version()} on {os.cpu_count()} cores")


def importable(subject: str, program: str) -> Finding:
    """Whether a library and the native ones below it load. Tried in another process, for it may crash."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(
            subject, Severity.BLOCKING, f"not loaded after {IMPORT_SECONDS} s", "run 'make setup' again"
        )
    if done.returncode == 0:
        return Finding(subject, Severity.GOOD, done.stdout.strip())
    reason = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    remedy = "run 'make setup': it installs the native libraries and builds what needs them"
    return Finding(subject, Severity.BLOCKING, reason, remedy)


def disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / GIB
    found = f"{free:.1f} GiB free for {home}"
    remedy = "free some space, or set TANDEM_HOME to a larger disk"
    if not os.access(existing, os.W_OK):
        return Finding(
            "disk", Severity.BLOCKING, f"{existing} cannot be written to", "set TANDEM_HOME elsewhere"
        )
    if free < DISK_NEEDED_GIB:
        return Finding("disk", Severity.BLOCKING, found, remedy)
    if free < DISK_WANTED_GIB:
        return Finding("disk", Severity.ADVICE, found, remedy)
    return Finding("disk", Severity.GOOD, found)


def object_storage(url: str) -> Finding:
    """Whether TANDEM_STORAGE can be written, read and deleted from, with this machine's credentials."""
    try:
        try_storage(url)
    except StorageUnavailableError as error:
        return Finding(
            "storage", Severity.BLOCKING, str(error), "or unset TANDEM_STORAGE, to keep all in home"
        )
    return Finding("object storage", Severity.GOOD, f"{url} is written and read")


def node_cache(settings: Settings) -> Finding:
    """Whether copies of what is in storage have a place here."""
    try:
        cache = NodeCache(settings.cache, settings.cache_bytes)
    except NodeCacheUnusableError as error:
        return Finding("cache", Severity.BLOCKING, str(error), "a disk of this machine's own is fastest")
    found = f"{cache.limit_bytes / GIB:.1f} GiB at most in {settings.cache}"
    free = shutil.disk_usage(settings.cache).free / GIB
    if free < DISK_NEEDED_GIB:
        remedy = "free some space, or set TANDEM_CACHE to a larger disk"
        return Finding("cache", Severity.ADVICE, f"{found}, with {free:.1f} GiB free", remedy)
    return Finding("cache", Severity.GOOD, found)


def shared_memory(folder: Path) -> Finding:
    """Ray's object store lives in shared memory; containers get 64 MiB of it unless told otherwise."""
    if not folder.is_dir():
        return Finding("shared memory", Severity.ADVICE, f"no {folder}", "Ray will use slower files instead")
    size = shutil.disk_usage(folder).total / GIB
    if size < SHARED_MEMORY_WANTED_GIB:
        remedy = "give the container more: shm_size in docker-compose.yml, --shm-size for docker run"
        return Finding("shared memory", Severity.ADVICE, f"{size:.2f} GiB in {folder}", remedy)
    return Finding("shared memory", Severity.GOOD, f"{size:.1f} GiB in {folder}")


def server(settings: Settings) -> Iterator[Finding]:
    """The server, and what it says of Ray and of classification; without one, whether its port is free."""
    url = settings.api_url
    try:
        answer = httpx.get(f"{url}/readyz", timeout=ANSWER_SECONDS)
        checks = answer.json()["checks"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        if settings.url is None:
            yield port(settings)
        yield Finding(
            "server", Severity.ADVICE, f"none at {url}", "start one with 'tandem up', or set TANDEM_URL"
        )
        return
    yield Finding("server", Severity.GOOD, f"answers at {url}")
    for part, verdict in checks.items():
        severity = Severity.GOOD if verdict == "ok" else Severity.BLOCKING
        remedy = (
            "" if verdict == "ok" else f"look into {settings.logs}, or start the stack again: 'tandem up'"
        )
        yield Finding(part, severity, verdict, remedy)


def port(settings: Settings) -> Finding:
    try:
        listen(settings.host, settings.port).close()
    except StackError as error:
        return Finding("port", Severity.BLOCKING, str(error), "or set TANDEM_PORT to another port")
    return Finding("port", Severity.GOOD, f"{settings.host}:{settings.port} is free")
