"""Every database that the suite of the log is held against."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from open_agent.core.clock import SystemClock
from open_agent.store.database import Database, open_database
from open_agent.testing.database import open_memory_database

KINDS = ["memory", "sqlite"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return request.param


@pytest.fixture
async def db(kind: str, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    if kind == "memory":
        opened = open_memory_database(tmp_path / "blobs")
    else:
        opened = await open_database(tmp_path / "data", SystemClock())
    async with opened:
        yield opened
