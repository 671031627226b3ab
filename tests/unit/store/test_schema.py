"""Migrations lead to the tables that the code works with."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from open_agent.store import migrations
from open_agent.store.schema import REVISIONS, VERSION_TABLE
from open_agent.store.sqlite.opening import prepare
from open_agent.store.tables import metadata


def is_compared(name: str | None, *_: Any) -> bool:
    """SQLite's index of words brings tables of its own."""
    return not str(name).startswith("texts_words")


def test_migrating_leads_to_the_tables_of_today(tmp_path: Path) -> None:
    prepare(tmp_path / "db")
    engine = create_engine(f"sqlite:///{tmp_path / 'db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_server_default": True,
                "include_name": is_compared,
            },
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_partial_indexes_are_those_of_the_tables(tmp_path: Path) -> None:
    prepare(tmp_path / "migrated")
    engine = create_engine(f"sqlite:///{tmp_path / 'made'}")
    metadata.create_all(engine)
    engine.dispose()

    def indexes(name: str) -> set[str]:
        connection = sqlite3.connect(tmp_path / name)
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index'").fetchall()
        connection.close()
        return {row[0] for row in rows if row[0] and VERSION_TABLE not in row[0]}

    assert indexes("migrated") == indexes("made")


def test_every_revision_is_listed_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    scripts = ScriptDirectory.from_config(config)

    assert [s.revision for s in scripts.walk_revisions()][::-1] == list(REVISIONS)
    assert scripts.get_heads() == [REVISIONS[-1]]


def test_alembic_is_not_imported_when_there_is_nothing_to_migrate(tmp_path: Path) -> None:
    prepare(tmp_path / "db")
    program = (
        "import sys; from pathlib import Path\n"
        "from open_agent.store.sqlite.opening import prepare\n"
        f"prepare(Path({str(tmp_path / 'db')!r}))\n"
        "print([name for name in sys.modules if name.partition('.')[0] in"
        " ('alembic', 'psycopg', 'mako')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert done.stdout == b"[]\n"


@pytest.mark.timeout(60)
def test_a_migration_that_was_killed_begins_again(tmp_path: Path) -> None:
    # Every statement of the migration is in one transaction: wherever it is cut, nothing is left.
    program = (
        "import os, signal, sys, sqlite3; from pathlib import Path\n"
        "from open_agent.store.sqlite import opening\n"
        "step = 0\n"
        "connect = opening.connect_writer\n"
        "def traced(path):\n"
        "    def die(sql):\n"
        "        global step\n"
        "        step += sql.strip().startswith(('CREATE', 'INSERT', 'COMMIT'))\n"
        "        if step == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    connection = connect(path)\n"
        "    connection.set_trace_callback(die)\n"
        "    return connection\n"
        "opening.connect_writer = traced\n"
        "opening.prepare(Path(sys.argv[1]))\n"
    )
    steps = (1, 2, 9, 15, 16)
    for step in steps:
        path = tmp_path / f"db-{step}"
        done = subprocess.run([sys.executable, "-c", program, path, str(step)], check=False)
        assert done.returncode == -9
        prepare(path)
        connection = sqlite3.connect(path)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        connection.close()
        assert metadata.tables.keys() < tables
