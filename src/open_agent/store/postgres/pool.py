"""Connections to PostgreSQL, set up so that nothing acknowledged is lost and nothing waits for ever."""

from typing import Any, TypeAlias

from psycopg import AsyncConnection, OperationalError, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from open_agent.core.errors import Invalid, Unavailable

MAX_CONNECTIONS = 8
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 1.0
"""What is waited for attempts to connect, when nobody wants a connection any more."""

_SESSION = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "20s",
    "statement_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""A frozen process, or a host that is gone, must not keep the rows it had locked."""

Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]
Pool: TypeAlias = AsyncConnectionPool[Connection]


async def open_pool(url: str) -> Pool:
    """A pool with its first connection made.

    Raises:
        Invalid: `url` cannot be understood (`storage.url_invalid`).
        Unavailable: The server cannot be reached (`storage.unreachable`).
    """
    pool: Pool = AsyncConnectionPool(
        url,
        connection_class=AsyncConnection[tuple[Any, ...]],
        kwargs={"autocommit": True, "connect_timeout": int(CONNECT_SECONDS)},
        configure=_configure,
        min_size=1,
        max_size=MAX_CONNECTIONS,
        timeout=CONNECT_SECONDS,
        open=False,
        name="open-agent",
    )
    try:
        await pool.open(wait=True, timeout=CONNECT_SECONDS)
    except (OperationalError, PoolTimeout) as error:
        await pool.close()
        raise Unavailable(
            "storage.unreachable",
            f"{place_of(url)} cannot be reached: {error}. Start it, or correct DATABASE_URL.",
        ) from error
    return pool


def place_of(url: str) -> str:
    """How to name the database to a person: without its password."""
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise Invalid(
            "storage.url_invalid",
            "DATABASE_URL is not an address of PostgreSQL; it looks like"
            " postgresql://user:password@host:5432/database.",
        ) from error
    name = parts.get("dbname") or parts.get("user") or "?"
    return f"The PostgreSQL database {name} on {parts.get('host') or 'this machine'}"


async def _configure(connection: Connection) -> None:
    for name, value in _SESSION.items():
        await connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    # A cluster may be set to acknowledge before it is safe; then an acknowledged event could go.
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
