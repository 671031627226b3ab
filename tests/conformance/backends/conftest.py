"""One OpenCode and one scripted model for all tests of a worker that do not end them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from open_agent.backends.opencode.backend import Handling
from open_agent.backends.opencode.bounds import Bounds
from open_agent.backends.opencode.servers.configuration import Conduct
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Script, always
from open_agent.scripted.server import ScriptedServer
from tests.conformance.backends.rig import Kind, Rig, backend_rig
from tests.interaction.opencode.rig import Rig as OpenCodeRig
from tests.interaction.opencode.rig import managed

pytestmark = pytest.mark.slow


@dataclass
class Stage:
    """What lasts longer than one test."""

    model: ScriptedModel
    base_url: str
    opencode: OpenCodeRig
    scripted: ScriptedServer


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("backends")
    with ScriptedServer() as scripted:
        model, base_url = scripted.add(always("Done."))
        async with managed(folder / "opencode", scripted, model) as opencode:
            yield Stage(model, base_url, opencode, scripted)


@pytest.fixture(scope="module")
async def asking_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The same with an OpenCode that does not do everything without asking."""
    folder = tmp_path_factory.mktemp("asking")
    with ScriptedServer() as scripted:
        model, base_url = scripted.add(always("Done."))
        conduct = Conduct(is_permissive=False)
        async with managed(folder / "opencode", scripted, model, conduct=conduct) as opencode:
            yield Stage(model, base_url, opencode, scripted)


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """A command that only this test runs."""
    return f"sleep 1000.{abs(hash(str(tmp_path)))}"


Open = Callable[..., AbstractAsyncContextManager[Rig]]
"""A worker that plays a script; options as `backend_rig` has them."""


@pytest.fixture(params=["native", "opencode"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Who carries runs out."""
    return request.param


@pytest.fixture
def on_backend(kind: Kind, stage: Stage, tmp_path: Path) -> Open:
    """A worker with each backend in turn."""

    def opened(script: Script, **options: Any) -> AbstractAsyncContextManager[Rig]:
        server = stage.opencode.server
        return backend_rig(
            kind, tmp_path, stage.model, stage.base_url, script, server=server, **options
        )

    return opened


@pytest.fixture
def on_opencode(stage: Stage, tmp_path: Path) -> Open:
    """A worker with OpenCode."""

    def opened(script: Script, **options: Any) -> AbstractAsyncContextManager[Rig]:
        server = stage.opencode.server
        return backend_rig(
            "opencode", tmp_path, stage.model, stage.base_url, script, server=server, **options
        )

    return opened


@pytest.fixture
def on_asking(asking_stage: Stage, tmp_path: Path) -> Open:
    """A worker with an OpenCode that asks, and does not wait long before it gives its place away."""

    def opened(script: Script, **options: Any) -> AbstractAsyncContextManager[Rig]:
        handling = Handling(is_permissive=False, bounds=Bounds(person=timedelta()))
        stage = asking_stage
        return backend_rig(
            "opencode",
            tmp_path,
            stage.model,
            stage.base_url,
            script,
            server=stage.opencode.server,
            handling=handling,
            **options,
        )

    return opened
