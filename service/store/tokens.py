"""Bearer tokens: random, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import Literal, NamedTuple

from sqlalchemy import delete, select

from service.domain.job_folder import now
from service.errors import ConflictError
from service.store.database import Database
from service.store.tables import TokenRow

Scope = Literal["read", "write", "predict"]
SCOPES: tuple[Scope, ...] = ("read", "write", "predict")


class Caller(NamedTuple):
    """Who sends requests with a token: its hash, the name it was given, and its scopes."""

    key: str
    name: str
    scopes: frozenset[str]


class Token(NamedTuple):
    """What can be told of a token."""

    name: str
    scopes: tuple[str, ...]
    created_at: str


class TokenStore:
    """The tokens in the database; `changes` counts what this store itself has changed of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.changes = 0

    def create(self, name: str, scopes: Iterable[Scope]) -> str:
        """Makes a token, stores its hash and returns the token: it cannot be read again."""
        token = f"tdm_{secrets.token_urlsafe(32)}"
        with self._database.transaction() as session:
            session.add(self._row(name, token, scopes))
        self.changes += 1
        return token

    def accept(self, name: str, token: str, scopes: Iterable[Scope]) -> None:
        """Makes a token chosen elsewhere valid, in the place of any other of its name."""
        row = self._row(name, token, scopes)
        others = delete(TokenRow).where(TokenRow.name == name, TokenRow.hash != row.hash)
        with self._database.transaction() as session:
            session.execute(others)
            session.merge(row)
        self.changes += 1

    def listed(self) -> list[Token]:
        """All tokens, oldest first."""
        query = select(TokenRow.name, TokenRow.scopes, TokenRow.created_at).order_by(TokenRow.created_at)
        with self._database.reading() as connection:
            return [Token(row.name, tuple(row.scopes), row.created_at) for row in connection.execute(query)]

    def revoke(self, name: str) -> int:
        """Makes every token of a name invalid; returns how many there were.

        Raises `ConflictError` where none would be left: the API would then ask nobody for one.
        """
        with self._database.transaction() as session:
            revoked = session.execute(delete(TokenRow).where(TokenRow.name == name).returning(TokenRow.hash))
            count = len(revoked.all())
            if count and session.scalar(select(TokenRow.hash).limit(1)) is None:
                raise ConflictError(
                    f"no token is left without {name!r}, and the API would answer whoever asks: make another"
                    " first, with 'tandem token create'"
                )
        self.changes += 1
        return count

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

    @classmethod
    def _row(cls, name: str, token: str, scopes: Iterable[Scope]) -> TokenRow:
        return TokenRow(hash=cls.key_of(token), name=name, scopes=sorted(scopes), created_at=now())

    @staticmethod
    def key_of(token: str) -> str:
        """The hash by which a token is known."""
        # It is 256 random bits, so a plain hash cannot be searched; a slow one would only cost requests.
        return hashlib.sha256(token.encode()).hexdigest()
