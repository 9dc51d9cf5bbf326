"""What can come back from a server that is not an answer."""

from __future__ import annotations

from typing import ClassVar

from service.errors import FieldProblem, ServiceError


class ServerUnreachableError(ServiceError):
    """Nothing answers at the server's address, or what answers breaks off."""

    code: ClassVar[str] = "server_unreachable"


class ApiError(Exception):
    """A request that the server refused or failed, as its problem document tells it.

    `code` is the server's stable error code; `errors` names the fields a 422 is about.
    """

    def __init__(self, status: int, code: str, detail: str, errors: list[FieldProblem]) -> None:
        super().__init__(status, code, detail, errors)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors

    def __str__(self) -> str:
        fields = "; ".join(f"{problem.field}: {problem.message}" for problem in self.errors)
        if not fields or fields in self.detail:
            return self.detail
        return f"{self.detail} ({fields})"
