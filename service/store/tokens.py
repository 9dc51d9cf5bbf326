"""Bearer tokens: random, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import Literal, NamedTuple

from sqlalchemy import select

from service.domain.job_folder import now
from service.store.database import Database
from service.store.tables import TokenRow

Scope = Literal["read", "write", "predict"]
SCOPES: tuple[Scope, ...] = ("read", "write", "predict")


class Caller(NamedTuple):
    """Who sends requests with a token: its hash, the name it was given, and its scopes."""

    key: str
    name: str
    scopes: frozenset[str]


class TokenStore:
    """The tokens in the database; `changes` counts what this store itself has changed of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.changes = 0

    def create(self, name: str, scopes: Iterable[Scope]) -> str:
        """Makes a token, stores its hash and returns the token: it cannot be read again."""
        token = f"tdm_{secrets.token_urlsafe(32)}"
        self.accept(name, token, scopes)
        return token

    def accept(self, name: str, token: str, scopes: Iterable[Scope]) -> None:
        """Makes a token chosen elsewhere valid; doing so again changes only its name and scopes."""
        row = TokenRow(hash=self.key_of(token), name=name, scopes=sorted(scopes), created_at=now())
        with self._database.transaction() as session:
            session.merge(row)
        self.changes += 1

    def find(self, token: str) -> Caller | None:
        """Whose a token is and what it may do; None when it is not known."""
        query = select(TokenRow.hash, TokenRow.name, TokenRow.scopes).where(
            TokenRow.hash == self.key_of(token)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else Caller(row.hash, row.name, frozenset(row.scopes))

    def any_exist(self) -> bool:
        with self._database.reading() as connection:
            return connection.scalar(select(TokenRow.hash).limit(1)) is not None

    @staticmethod
    def key_of(token: str) -> str:
        """The hash by which a token is known."""
        # It is 256 random bits, so a plain hash cannot be searched; a slow one would only cost requests.
        return hashlib.sha256(token.encode()).hexdigest()
