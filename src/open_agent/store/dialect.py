"""What differs between SQLite and PostgreSQL in the SQL itself; nothing else in `store/` asks."""

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement

from open_agent.store.statement import Compile, Statement


def sqlite_compiler() -> Compile:
    """For the standard library's `sqlite3`: `?` parameters."""
    return _compiler(sqlite.dialect(paramstyle="qmark"))


def postgres_compiler() -> Compile:
    """For psycopg: `%s` parameters with their types."""
    # Of no use to those who stay on SQLite.
    from sqlalchemy.dialects.postgresql import psycopg  # 21 ms

    return _compiler(psycopg.dialect(paramstyle="format"))


def _compiler(dialect: Dialect) -> Compile:
    def compile_(expression: ClauseElement) -> Statement:
        compiled: Any = expression.compile(dialect=dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return Statement(str(compiled), tuple(compiled.positiontup), constants)

    return compile_
