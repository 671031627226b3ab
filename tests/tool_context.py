"""A context with real files, real processes and real blobs, and no web."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from open_agent.core.ids import CallId, MissionId, RunId
from open_agent.settings.settings import Settings
from open_agent.store.blobs import FileBlobs
from open_agent.tools.definition import ToolContext
from open_agent.tools.ports import SearchAnswer, WebPage, WebUnavailable
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.programs import find_ripgrep
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.isolations import isolation_of, root_of


class NoWeb:
    async def get(self, url: str, *, max_bytes: int) -> WebPage:
        raise WebUnavailable("There is no web in this test.")

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        raise WebUnavailable("There is no web in this test.")


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[SupervisedProcesses]:
    async with SupervisedProcesses(tmp_path / "supervisor.lock") as processes:
        yield processes


@pytest.fixture(params=["host", pytest.param("wrapped", marks=pytest.mark.slow)])
def isolation_kind(request: pytest.FixtureRequest) -> str:
    """Which isolation; no tool can tell."""
    return request.param


@pytest.fixture
def root(tmp_path: Path, isolation_kind: str) -> Path:
    """The working directory."""
    return root_of(isolation_kind, tmp_path)


@pytest.fixture
def isolation(processes: SupervisedProcesses, isolation_kind: str) -> Isolation:
    ripgrep = find_ripgrep(os.environ["PATH"])
    assert ripgrep
    environment = Settings.model_construct().child_environment
    return isolation_of(isolation_kind, processes, environment, {"rg": ripgrep})


@pytest.fixture
async def ctx(tmp_path: Path, root: Path, isolation: Isolation) -> ToolContext:
    return ToolContext(
        mission_id=MissionId("mission"),
        run_id=RunId("run"),
        call_id=CallId("call"),
        workspace=await isolation.workspace(root),
        blobs=FileBlobs(tmp_path / "blobs"),
        http=NoWeb(),
        search=NoWeb(),
    )


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """Something that only processes of this test have in their command line: use as `sleep`."""
    return f"sleep 1000.{abs(hash(str(tmp_path)))}"
