"""MCP servers, their secrets, and which tools are switched off."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create what the registry of MCP servers needs."""
    op.create_table(
        "mcp_servers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("transport", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("is_enabled", sa.Integer, nullable=False),
        sa.Column("preset", sa.Text, nullable=False),
        sa.Column("is_per_mission", sa.Integer, nullable=False),
        sa.Column("is_trusted", sa.Integer, nullable=False),
        sa.Column("call_seconds", sa.Integer),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("tools", sa.Text, nullable=False),
        sa.Column("has_resources", sa.Integer, nullable=False),
        sa.Column("connected_at", sa.BigInteger),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
    )
    op.create_index("mcp_servers_by_name", "mcp_servers", ["scope", "name"], unique=True)
    op.create_table(
        "mcp_secrets",
        sa.Column("server_id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "tool_switches",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
    )
    op.create_table(
        "mcp_changes",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
