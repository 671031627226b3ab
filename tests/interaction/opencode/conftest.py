"""One OpenCode for all tests of a file that do not end it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from open_agent.scripted.server import ScriptedServer
from tests.interaction.opencode.rig import Rig, managed


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, scripted: ScriptedServer
) -> AsyncIterator[Rig]:
    """A server of ours that lives as long as the file's tests."""
    async with managed(tmp_path_factory.mktemp("opencode"), scripted) as rig:
        yield rig


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """Something that only processes of this test have in their command line: use as `sleep`."""
    return f"sleep 1000.{abs(hash(str(tmp_path)))}"
