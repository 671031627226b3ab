"""Which schema a database has, and bringing it to today's.

A database that is newer than this program, damaged, or somebody else's is refused with what to
do about it. It is never repaired here: whoever owns the data decides.
"""

from pathlib import Path

from sqlalchemy import Connection

from open_agent.core.errors import Conflict

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every revision of the schema, oldest first; the last is today's."""

VERSION_TABLE = "open_agent_schema"
"""Not Alembic's own name, which another program in the same PostgreSQL database may be using."""


def needs_migration(tables: set[str], version: str | None, *, where: str) -> bool:
    """Whether the database is empty or older than this program.

    Args:
        tables: The names of its tables; on PostgreSQL, of those that we would use.
        version: What its version table says.
        where: How to name the database to a person.

    Raises:
        Conflict: It is newer (`storage.newer`), or not ours (`storage.foreign`).
    """
    if not tables:
        return True
    if version is None or "events" not in tables:
        raise Conflict(
            "storage.foreign",
            f"{where} holds tables that are not Open Agent's. Nothing was changed. Use another"
            " DATA_DIR or DATABASE_URL.",
        )
    if version not in REVISIONS:
        raise Conflict(
            "storage.newer",
            f"{where} was written by a newer Open Agent (schema {version}; this one knows"
            f" {REVISIONS[-1]}). Nothing was changed. Install that release again, or restore a"
            " backup made before the upgrade.",
        )
    return version != REVISIONS[-1]


def migrate(connection: Connection) -> None:
    """Bring the schema to today's within the connection's open transaction."""
    # Needed only by the first start, and by the first after an upgrade.
    from alembic import command  # 80 ms
    from alembic.config import Config  # 1 ms more

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
