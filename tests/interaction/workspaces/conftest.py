from collections.abc import Generator
from pathlib import Path

import pytest

from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.workspaces.rig import GitServer, Place, play, serving

HERE = Path(__file__).parent
SECONDS = 240
"""For one test on a busy machine: each starts servers, or dozens of gits."""
SETTINGS = {
    "CLONE_PROTOCOLS": "https,http,ssh,file",
    "MAX_PARALLEL_MISSIONS": "30",
    "MAX_ITERATIONS": "40",
    "WORKSPACE_MAX_MB": "3",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these start programs: they belong to `make test` and not to `make check`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def model_url() -> Generator[str]:
    """The endpoint of a model that runs the command it is told."""
    with ScriptedServer(play) as model:
        yield model.base_url


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, model_url: str) -> Generator[Place]:
    """A server, shared by the tests of a file."""
    folder = tmp_path_factory.mktemp("served")
    with ServerProcess(folder / "data", folder / "work", model_url, SETTINGS) as server:
        yield Place(server)


@pytest.fixture
def git_server(tmp_path: Path) -> Generator[GitServer]:
    """Repositories over HTTP."""
    (tmp_path / "remote").mkdir()
    with serving(tmp_path / "remote") as served:
        yield served
