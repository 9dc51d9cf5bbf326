"""Who may do what: bearer tokens with scopes, or, where no token exists, this machine alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api.dependencies import Plane
from service.errors import ForbiddenError, StackError, UnauthorizedError
from service.settings import Settings, is_loopback
from service.store.tokens import Scope, TokenStore

LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

# What is refused, and with which words, is `require`'s own.
BEARER: Final = HTTPBearer(
    scheme_name="token",
    description="made by `tandem token create`, with the scope that a route names: read, write or predict",
    auto_error=False,
)


def require(scope: Scope) -> Callable[..., Coroutine[Any, Any, None]]:
    """A dependency that lets a request pass when its token has a scope.

    Raises `UnauthorizedError` without a known token, `ForbiddenError` without the scope, `RateLimitedError`
    for too many requests. A control plane that has no tokens asks for none: it listens on loopback only.
    """

    given = Security(BEARER, scopes=[scope])

    async def check(
        request: Request, plane: Plane, bearer: HTTPAuthorizationCredentials | None = given
    ) -> None:
        if not await plane.callers.any_known():
            return
        if bearer is None:
            raise UnauthorizedError(
                "send 'Authorization: Bearer <token>'; make one with: tandem token create"
            )
        caller = await plane.callers.find(bearer.credentials.strip())
        if caller is None:
            raise UnauthorizedError("this token is not known here; make one with: tandem token create")
        request.state.caller = caller.name
        plane.rate_limit.take(caller.key)
        if scope not in caller.scopes:
            raise ForbiddenError(
                f"this needs a token with the scope {scope!r}; yours has {sorted(caller.scopes)}"
            )

    return check


def refuse_open_host(settings: Settings, tokens: TokenStore) -> None:
    """Raises `StackError` when the API would listen beyond this machine without any token."""
    if not is_loopback(settings.host) and not tokens.any_exist():
        raise StackError(
            f"refusing to listen on {settings.host} without a token, for anyone could start jobs: make one"
            " with 'tandem token create' or set TANDEM_TOKEN"
        )
