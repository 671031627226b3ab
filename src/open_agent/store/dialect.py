"""What differs between SQLite and PostgreSQL in the SQL itself; nothing else in `store/` asks."""

from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    bindparam,
    cast,
    column,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import UserDefinedType

from open_agent.store.search import WordSearch
from open_agent.store.statement import Compile, Statement
from open_agent.store.tables import texts

_WORDS: BindParameter[str] = bindparam("words")


class _TsQuery(UserDefinedType[str]):
    """PostgreSQL's kind of a question."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name."""
        return "tsquery"


def sqlite_compiler() -> Compile:
    """For the standard library's `sqlite3`: `?` parameters."""
    return _compiler(sqlite.dialect(paramstyle="qmark"))


def postgres_compiler() -> Compile:
    """For psycopg: `%s` parameters with their types."""
    # Of no use to those who stay on SQLite.
    from sqlalchemy.dialects.postgresql import psycopg  # 21 ms

    return _compiler(psycopg.dialect(paramstyle="format"))


def sqlite_search() -> WordSearch:
    """With the index that the migration made beside `texts`."""
    words = table("texts_words", column("rowid"))
    found = select(words.c.rowid).where(literal_column("texts_words").op("MATCH")(_WORDS))
    return WordSearch(texts.c.id.in_(found), lambda wanted: " ".join(f'"{w}"*' for w in wanted))


def postgres_search() -> WordSearch:
    """With the column and the index that the migration made of the words of `texts`."""
    words: ColumnElement[Any] = literal_column("texts.vector")
    is_found: ColumnElement[bool] = words.op("@@")(cast(_WORDS, _TsQuery))
    return WordSearch(is_found, lambda wanted: " & ".join(f"'{w}':*" for w in wanted))


def _compiler(dialect: Dialect) -> Compile:
    def compile_(expression: ClauseElement) -> Statement:
        compiled: Any = expression.compile(dialect=dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return Statement(str(compiled), tuple(compiled.positiontup), constants)

    return compile_
