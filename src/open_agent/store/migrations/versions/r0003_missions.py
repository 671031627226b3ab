"""Queues that people can change, questions, forks, delegated missions, and the current one."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from open_agent.events.codec import decode_event, make_record
from open_agent.events.search import TextRow, project_text

revision = "0003"
down_revision = "0002"

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    """Move queues to a table of their own, and add what missions have besides."""
    op.create_table(
        "queue",
        sa.Column("mission_id", sa.Text, primary_key=True),
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("delivery", sa.Text, nullable=False),
    )
    op.create_index("queue_in_order", "queue", ["mission_id", "position"])
    op.add_column("owners", sa.Column("current_mission", sa.Text))
    for column in (
        sa.Column("parent_id", sa.Text),
        sa.Column("wanted_model", sa.Text),
        sa.Column("copies_until", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("summary", sa.Text),
        sa.Column("status_at", sa.BigInteger),
        sa.Column("messages", sa.Integer, nullable=False, server_default="0"),
        sa.Column("queued", sa.Integer, nullable=False, server_default="0"),
        sa.Column("steered", sa.Integer, nullable=False, server_default="0"),
        sa.Column("is_held", sa.Integer, nullable=False, server_default="0"),
        sa.Column("questions", sa.Text, nullable=False, server_default="[]"),
    ):
        op.add_column("missions", column)
    _move_queues()
    op.drop_column("missions", "waiting")
    op.drop_column("missions", "steering")
    op.create_index("missions_by_update", "missions", ["owner_id", "updated_at", "id"])
    _create_partial_index("missions_by_parent", "missions", ["parent_id"], "parent_id IS NOT NULL")
    _create_partial_index(
        "events_said",
        "events",
        ["mission_id", "seq"],
        "type = 'message.received' OR type = 'message.edited' OR type = 'message.removed'"
        " OR type = 'run.finished'",
    )
    _create_texts()


def _create_texts() -> None:
    """What can be found, and how its words are looked up; then all that the log has of it."""
    op.create_table(
        "texts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mission_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_index("texts_by_mission", "texts", ["mission_id", "name"], unique=True)
    if op.get_bind().dialect.name == "sqlite":
        # Words are made before they come here, so all that is not a space belongs to one.
        op.execute(
            "CREATE VIRTUAL TABLE texts_words USING fts5(words, content='texts',"
            " content_rowid='id', detail='none', tokenize='ascii')"
        )
        op.execute(
            "CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN INSERT INTO"
            " texts_words (rowid, words) VALUES (new.id, new.words); END"
        )
        op.execute(
            "CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN INSERT INTO texts_words"
            " (texts_words, rowid, words) VALUES ('delete', old.id, old.words); END"
        )
    else:
        # Made once: as an expression it would be made anew for each row whenever the index, which
        # PostgreSQL thinks dearer than that, is passed over.
        op.execute(
            "ALTER TABLE texts ADD COLUMN vector tsvector"
            " GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED"
        )
        op.execute("CREATE INDEX texts_words ON texts USING gin (vector)")
    _index_log()


def _index_log() -> None:
    """Make the texts of what happened so far, by the rules of today."""
    connection = op.get_bind()
    found = connection.execute(
        sa.text(
            "SELECT mission_id, seq, owner_id, type, format, body FROM events WHERE type IN"
            " ('mission.created', 'message.received', 'run.finished') ORDER BY mission_id, seq"
        )
    )
    for mission_id, seq, owner_id, type_, format_, body in found.fetchall():
        event = decode_event(type_, format_, body)
        record = make_record(seq, seq, BEGINNING, mission_id, None, event)
        change = project_text(owner_id, record)
        if isinstance(change, TextRow):
            connection.execute(
                sa.text(
                    "INSERT INTO texts (mission_id, name, seq, owner_id, words)"
                    " VALUES (:mission_id, :name, :seq, :owner_id, :words)"
                ),
                asdict(change),
            )


def _move_queues() -> None:
    """Fill `queue` and the counts from the lists that the missions' rows had."""
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "UPDATE missions SET messages = (SELECT count(*) FROM events WHERE"
            " events.mission_id = missions.id AND events.type = 'message.received')"
        )
    )
    waiting = connection.execute(
        sa.text("SELECT id, waiting, steering FROM missions WHERE waiting <> '[]'")
    ).fetchall()
    for mission_id, messages, steering in waiting:
        wanted, steered = json.loads(messages), json.loads(steering)
        for seq, body in connection.execute(
            sa.text(
                "SELECT seq, body FROM events WHERE mission_id = :id"
                " AND type = 'message.received' ORDER BY seq"
            ),
            {"id": mission_id},
        ).fetchall():
            event: dict[str, Any] = json.loads(body)
            if event["message_id"] in wanted:
                connection.execute(
                    sa.text("INSERT INTO queue VALUES (:mission, :message, :seq, :place, :how)"),
                    {
                        "mission": mission_id,
                        "message": event["message_id"],
                        "seq": seq,
                        "place": f"{seq:015d}",
                        "how": event.get("delivery", "queue"),
                    },
                )
        connection.execute(
            sa.text("UPDATE missions SET queued = :queued, steered = :steered WHERE id = :id"),
            {"queued": len(wanted), "steered": len(steered), "id": mission_id},
        )


def _create_partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name,
        table,
        columns,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
