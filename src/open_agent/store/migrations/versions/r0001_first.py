"""The first schema: the log, its projections, and the leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table and index."""
    _create_events()
    _create_missions()
    _create_runs()
    op.create_table(
        "owners",
        sa.Column("owner_id", sa.Text, primary_key=True),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "holders",
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("mission_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("owner_seq", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("events_by_owner", "events", ["owner_id", "owner_seq"], unique=True)
    _create_partial_index(
        "events_by_key", "events", ["mission_id", "key"], '"key" IS NOT NULL', True
    )
    _create_partial_index(
        "events_compactions", "events", ["mission_id", "seq"], "type = 'history.compacted'"
    )


def _create_missions() -> None:
    op.create_table(
        "missions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("run_state", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("steps", sa.Integer, nullable=False),
        *_usage(),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("wake_at", sa.BigInteger),
        sa.Column("ready_at", sa.BigInteger),
        sa.Column("waiting", sa.Text, nullable=False),
        sa.Column("steering", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("digest", sa.Text),
        sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("holder", sa.Text),
    )
    op.create_index("missions_by_owner", "missions", ["owner_id", "created_at", "id"])
    _create_partial_index(
        "missions_by_idempotency_key",
        "missions",
        ["owner_id", "idempotency_key"],
        "idempotency_key IS NOT NULL",
        True,
    )
    _create_partial_index("missions_unfinished", "missions", ["ready_at"], "ready_at IS NOT NULL")
    _create_partial_index("missions_held", "missions", ["holder"], "holder IS NOT NULL")


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("root_run_id", sa.Text, nullable=False),
        sa.Column("mission_id", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("outcome", sa.Text),
        sa.Column("budget", sa.BigInteger, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        *_usage(),
    )
    op.create_index("runs_by_mission", "runs", ["mission_id"])


def _usage() -> list[sa.Column[int]]:
    names = ("input", "cached", "cache_write", "output", "reasoning")
    return [sa.Column(f"{name}_tokens", sa.BigInteger, nullable=False) for name in names]


def _create_partial_index(
    name: str, table: str, columns: list[str], condition: str, is_unique: bool = False
) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=is_unique,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
