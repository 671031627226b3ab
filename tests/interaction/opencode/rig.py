"""A real OpenCode of our own, with the scripted model behind it."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from open_agent.backends.opencode.protocol.client import OpenCodeClient, Prompt, new_message_id
from open_agent.backends.opencode.protocol.parts import ToolPart
from open_agent.backends.opencode.protocol.wire import FeedEvent, Message
from open_agent.backends.opencode.servers.configuration import Conduct, ModelSource
from open_agent.backends.opencode.servers.home import Home
from open_agent.backends.opencode.servers.launching import Launcher, Program
from open_agent.backends.opencode.servers.managed import ManagedServer, Watchfulness
from open_agent.core.clock import SystemClock
from open_agent.models.catalogue import Catalogue
from open_agent.models.prices import PriceBook
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Asked, Call, Script, Turn
from open_agent.scripted.server import ScriptedServer
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.programs import find_ripgrep
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.programs import opencode

MODEL = "scripted"
RIPGREP = find_ripgrep(None) or "rg"
KEY = "sk-a-key-that-only-tests-would-use"
PASSWORD = "a-password-that-only-tests-would-use"


def bash(asked: Asked) -> Turn:
    """Runs what the person wrote as a command, then is done."""
    if asked.messages[-1]["role"] == "tool":
        return Turn(text="Done.")
    content = asked.messages[-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return Turn(calls=(Call("bash", {"command": text, "description": "as asked"}),))


@dataclass
class Rig:
    """A server of ours and what is around it."""

    server: ManagedServer
    home: Home
    base_url: str
    outside: dict[str, str]

    async def client(self) -> OpenCodeClient:
        return await self.server.client()

    async def run(self, directory: Path, text: str) -> tuple[str, list[Message]]:
        """Say something in a session of its own and wait until the work on it is over."""
        client = await self.client()
        session = await client.create_session(str(directory), "a test")
        with anyio.fail_after(120):
            async with self.server.feed.listen(session.id) as listener:
                prompt = Prompt(new_message_id(SystemClock()), text)
                await client.prompt(session.id, str(directory), prompt)
                async for item in listener:
                    if isinstance(item, FeedEvent) and item.type == "session.idle":
                        break
        return session.id, await client.messages(session.id, str(directory))

    async def command(self, directory: Path, command: str) -> tuple[str, str]:
        """Have the agent run a command; the session and what the command printed."""
        session_id, messages = await self.run(directory, command)
        (part,) = [p for m in messages for p in m.parts if isinstance(p, ToolPart)]
        return session_id, part.state.output or part.state.error


@asynccontextmanager
async def managed(
    folder: Path,
    scripted: ScriptedServer,
    script: Script | ScriptedModel = bash,
    *,
    program: str | None = None,
    watchfulness: Watchfulness | None = None,
    start_seconds: float = 150,
    conduct: Conduct | None = None,
) -> AsyncGenerator[Rig]:
    """A server of ours, not yet started, with its folders in `folder`, which is made."""
    folder.mkdir(exist_ok=True)
    outside = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    _, base_url = scripted.add(script)
    async with SupervisedProcesses(folder / "supervisor.lock") as processes:
        home = Home(folder / "opencode")
        isolation = HostIsolation(processes, outside, {"rg": RIPGREP})
        source = ModelSource(
            base_url, (MODEL,), Catalogue(base_url), PriceBook(base_url, SystemClock()), MODEL
        )
        made = Program(
            program or opencode(), source, conduct or Conduct(), KEY, PASSWORD, start_seconds
        )
        server = ManagedServer(Launcher(isolation, home, made), start_seconds, watchfulness)
        try:
            yield Rig(server, home, base_url, outside)
        finally:
            await server.close()
