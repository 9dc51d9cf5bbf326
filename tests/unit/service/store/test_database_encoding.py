"""A PostgreSQL that was laid out without a locale, as under LANG=C, keeps text all the same."""

from __future__ import annotations

from service.store.database import Database
from service.store.tokens import TokenStore


def test_text_comes_back_from_a_database_without_an_encoding(postgres) -> None:
    database = Database(postgres.new_database("TEMPLATE template0 ENCODING 'SQL_ASCII'"))
    try:
        tokens = TokenStore(database)
        tokens.create("jährlich", ["read"])
        assert [token.name for token in tokens.listed()] == ["jährlich"]
    finally:
        database.close()
