"""The tables, the same on both databases.

Every time is an integer of microseconds since 1970 in UTC, every structure is JSON text, and
there are no booleans, so that a row means the same through either driver without conversion.
`events` is the truth; `runs`, `owners`, `queue`, `texts` and the projected columns of `missions`
follow from it.
The columns of `missions` that do not are those of the lease and of the request that made it.
Accounts, keys, ended sessions, the audit log and MCP servers are no part of any mission, and not
on the log. Nor are workspaces: they can be there before a mission, and outlive it.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    literal_column,
    or_,
)

metadata = MetaData()


def _usage() -> list[Column[Any]]:
    names = ("input", "cached", "cache_write", "output", "reasoning")
    return [Column(f"{name}_tokens", BigInteger, nullable=False) for name in names]


events = Table(
    "events",
    metadata,
    Column("mission_id", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("owner_id", Text, nullable=False),
    Column("owner_seq", BigInteger, nullable=False),
    Column("run_id", Text),
    Column("at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("format", Integer, nullable=False),
    Column("key", Text),
    Column("body", Text, nullable=False),
)
Index("events_by_owner", events.c.owner_id, events.c.owner_seq, unique=True)
_keyed = events.c.key.is_not(None)
Index(
    "events_by_key",
    events.c.mission_id,
    events.c.key,
    unique=True,
    sqlite_where=_keyed,
    postgresql_where=_keyed,
)
# A literal, not a parameter: only so can SQLite tell that the partial index answers the query.
_compaction = events.c.type == literal_column("'history.compacted'")
Index(
    "events_compactions",
    events.c.mission_id,
    events.c.seq,
    sqlite_where=_compaction,
    postgresql_where=_compaction,
)

COMPACTION = _compaction
"""Which events are compactions, as the index has it."""

SAID_TYPES = ("message.received", "message.edited", "message.removed", "run.finished")
# With `IN` each insert would cost 1.2 µs more on SQLite, which makes a set of the names first.
_said = or_(*(events.c.type == literal_column(f"'{name}'") for name in SAID_TYPES))
Index(
    "events_said",
    events.c.mission_id,
    events.c.seq,
    sqlite_where=_said,
    postgresql_where=_said,
)
SAID = _said
"""What people and the agent said to each other, as the index has it."""

missions = Table(
    "missions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", Text),
    Column("workspace", Text, nullable=False),
    Column("host_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("parent_id", Text),
    Column("wanted_model", Text),
    Column("workspace_id", Text),
    Column("copies_until", BigInteger, nullable=False, server_default="0"),
    Column("status", Text, nullable=False),
    Column("summary", Text),
    Column("status_at", BigInteger),
    Column("run_id", Text),
    Column("run_state", Text, nullable=False),
    Column("outcome", Text),
    Column("reason", Text),
    Column("result", Text),
    Column("model", Text),
    Column("steps", Integer, nullable=False),
    *_usage(),
    Column("spent", BigInteger, nullable=False),
    Column("wake_at", BigInteger),
    Column("ready_at", BigInteger),
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("queued", Integer, nullable=False, server_default="0"),
    Column("steered", Integer, nullable=False, server_default="0"),
    Column("is_held", Integer, nullable=False, server_default="0"),
    Column("questions", Text, nullable=False, server_default="[]"),
    Column("idempotency_key", Text),
    Column("digest", Text),
    Column("epoch", BigInteger, nullable=False, server_default="0"),
    Column("holder", Text),
)
Index("missions_by_owner", missions.c.owner_id, missions.c.created_at, missions.c.id)
_idempotent = missions.c.idempotency_key.is_not(None)
Index(
    "missions_by_idempotency_key",
    missions.c.owner_id,
    missions.c.idempotency_key,
    unique=True,
    sqlite_where=_idempotent,
    postgresql_where=_idempotent,
)
Index("missions_by_update", missions.c.owner_id, missions.c.updated_at, missions.c.id)
_delegated = missions.c.parent_id.is_not(None)
Index(
    "missions_by_parent",
    missions.c.parent_id,
    sqlite_where=_delegated,
    postgresql_where=_delegated,
)
_made = missions.c.workspace_id.is_not(None)
Index(
    "missions_by_workspace",
    missions.c.workspace_id,
    sqlite_where=_made,
    postgresql_where=_made,
)
_unfinished = missions.c.ready_at.is_not(None)
Index(
    "missions_unfinished",
    missions.c.ready_at,
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)
_held = missions.c.holder.is_not(None)
Index("missions_held", missions.c.holder, sqlite_where=_held, postgresql_where=_held)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("root_run_id", Text, nullable=False),
    Column("mission_id", Text, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("outcome", Text),
    Column("budget", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("steps", Integer, nullable=False),
    *_usage(),
)
Index("runs_by_mission", runs.c.mission_id)

owners = Table(
    "owners",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("current_mission", Text),
)

queue = Table(
    "queue",
    metadata,
    Column("mission_id", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("position", Text, nullable=False),
    Column("delivery", Text, nullable=False),
)
Index("queue_in_order", queue.c.mission_id, queue.c.position)

texts = Table(
    "texts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mission_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("words", Text, nullable=False),
)
# How words are found is different on each database; the migration that makes the table has it.
Index("texts_by_mission", texts.c.mission_id, texts.c.name, unique=True)

holders = Table(
    "holders",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("lease_until", BigInteger, nullable=False),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("host_id", Text, nullable=False),
    Column("isolation", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("branch", Text),
    Column("base", Text),
    Column("base_commit", Text),
    Column("mission_id", Text),
    Column("is_kept", Integer, nullable=False),
    Column("problem", Text),
    Column("notes", Text),
    Column("size_bytes", BigInteger),
    Column("measured_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
Index("workspaces_by_owner", workspaces.c.owner_id, workspaces.c.created_at, workspaces.c.id)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)
Index("accounts_by_name", accounts.c.name_key, unique=True)

account_keys = Table(
    "account_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
)
Index("account_keys_by_owner", account_keys.c.owner_id)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)

access_changes = Table(
    "access_changes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor_id", Text),
    Column("actor_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("address", Text, nullable=False),
)
Index("audit_log_by_time", audit_log.c.at, audit_log.c.id)

mcp_servers = Table(
    "mcp_servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner_id", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("description", Text),
    Column("is_enabled", Integer, nullable=False),
    Column("preset", Text, nullable=False),
    Column("is_per_mission", Integer, nullable=False),
    Column("is_trusted", Integer, nullable=False),
    Column("call_seconds", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("version", Text),
    Column("tools", Text, nullable=False),
    Column("has_resources", Integer, nullable=False),
    Column("connected_at", BigInteger),
    Column("calls", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
)
# `scope` is the owner, or empty where the server is for everybody.
Index("mcp_servers_by_name", mcp_servers.c.scope, mcp_servers.c.name, unique=True)

mcp_secrets = Table(
    "mcp_secrets",
    metadata,
    Column("server_id", Text, primary_key=True),
    Column("owner_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

tool_switches = Table(
    "tool_switches",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
)

mcp_changes = Table(
    "mcp_changes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)


def projected_mission() -> tuple[Column[Any], ...]:
    """The columns of a mission that follow from its log, in their order."""
    columns = tuple(missions.c)
    return columns[: columns.index(missions.c.idempotency_key)]
