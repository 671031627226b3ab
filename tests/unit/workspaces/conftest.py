"""Processes under a supervisor of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from open_agent.workspaces.supervised import SupervisedProcesses


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[SupervisedProcesses]:
    async with SupervisedProcesses(tmp_path / "supervisor.lock") as processes:
        yield processes


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """Something that only processes of this test have in their command line: use as `sleep`."""
    return f"sleep 1000.{abs(hash(str(tmp_path)))}"
