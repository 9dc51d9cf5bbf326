"""What an error becomes: an exit code, and one line that says what happened and what to do."""

from __future__ import annotations

from typing import NamedTuple

import typer
from pydantic import ValidationError

from model.errors import ModelError
from pipeline.errors import (
    BadDatasetError,
    BadSourceError,
    DatasetExistsError,
    PipelineError,
    PlanChangedError,
    StoredFileDamagedError,
    TooManyQuarantinedError,
)
from service.cli.errors import BadArgumentsError, BadSpecFileError
from service.cli.exit_code import ExitCode
from service.client import ApiError
from service.errors import InvalidSpecError, ServiceError


class Failure(NamedTuple):
    code: ExitCode
    line: str


BAD_INPUT = (
    BadDatasetError,
    BadSourceError,
    BadSpecFileError,
    DatasetExistsError,
    FileNotFoundError,
    InvalidSpecError,
    IsADirectoryError,
    PlanChangedError,
    StoredFileDamagedError,
)
# What a server refuses for the request's own sake; other refusals are about the server, or who asks.
BAD_REQUEST_STATUSES = frozenset({400, 404, 409, 413, 415, 422})
TOKEN_STATUSES = frozenset({401, 403})


def explain(error: Exception) -> Failure:
    """The exit code an error stands for, and what to print about it: one line, whatever it says."""
    return Failure(_code(error), " ".join(_text(error).split()))


def _code(error: Exception) -> ExitCode:
    if isinstance(error, typer.TyperException | ValidationError | BadArgumentsError):
        return ExitCode.USAGE
    if isinstance(error, TooManyQuarantinedError):
        return ExitCode.QUARANTINE
    refused = isinstance(error, ApiError) and error.status in BAD_REQUEST_STATUSES
    return ExitCode.BAD_INPUT if refused or isinstance(error, BAD_INPUT) else ExitCode.FAILED


def _text(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "tandem"
        return f"{error.format_message()} See '{path} --help'."
    if isinstance(error, ValidationError):
        return "; ".join(f"{_place(entry['loc'])}: {entry['msg']}" for entry in error.errors())
    if isinstance(error, ApiError) and error.status in TOKEN_STATUSES:
        return f"{error}; commands send the token that TANDEM_TOKEN holds"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, ServiceError | PipelineError | ModelError | ApiError | OSError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "settings"
