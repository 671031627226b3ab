"""Workspaces that are made, kept or measured, and which missions work in them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table of workspaces, and let missions name one."""
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("isolation", sa.Text, nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("branch", sa.Text),
        sa.Column("base", sa.Text),
        sa.Column("base_commit", sa.Text),
        sa.Column("mission_id", sa.Text),
        sa.Column("is_kept", sa.Integer, nullable=False),
        sa.Column("problem", sa.Text),
        sa.Column("notes", sa.Text),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("measured_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("workspaces_by_owner", "workspaces", ["owner_id", "created_at", "id"])
    op.add_column("missions", sa.Column("workspace_id", sa.Text))
    is_made = sa.text("workspace_id IS NOT NULL")
    op.create_index(
        "missions_by_workspace",
        "missions",
        ["workspace_id"],
        sqlite_where=is_made,
        postgresql_where=is_made,
    )
