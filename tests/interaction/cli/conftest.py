from collections.abc import Generator
from pathlib import Path

import pytest

from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.server import ScriptedServer
from tests.interaction.cli.rig import Cli, play

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these start programs: they belong to `make test` and not to `make check`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def model_url() -> Generator[str]:
    """The endpoint of a model that does what the task's first word says."""
    with ScriptedServer(ScriptedModel(play)) as server:
        yield server.base_url


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model_url: str) -> Generator[Cli]:
    """The command beside a running server, shared by the tests of a file."""
    cli = Cli(tmp_path_factory.mktemp("served"), model_url)
    with cli.server():
        yield cli


@pytest.fixture
def alone(tmp_path: Path, model_url: str) -> Cli:
    """The command where no server runs."""
    return Cli(tmp_path, model_url)
