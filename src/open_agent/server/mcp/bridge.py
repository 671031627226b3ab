"""`/mcp/bridge`: the MCP tools of a mission, for the program that carries out its run.

Who comes with the word of an open bridge is let in to its tools and to nothing else; the word is
made for one run, is nowhere on disk, and ends with it.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread
from starlette.types import Receive, Scope, Send

from open_agent.agent.context import RunContext
from open_agent.agent.policy import why_not
from open_agent.agent.toolsets import MissionTools
from open_agent.backends.opencode.bridging import Bridge, IsAsked
from open_agent.core.ids import UserId, new_token
from open_agent.mcp.importing import in_turn
from open_agent.server.errors import error_response
from open_agent.server.perimeter import Headers
from open_agent.tools.definition import Effect, Tool, ToolContext
from open_agent.tools.registry import Toolbox

if TYPE_CHECKING:  # 700 ms that no server needs whose runs use no MCP servers in OpenCode
    from open_agent.mcp.servers.http import HttpSessions
    from open_agent.mcp.servers.offering import Call
    from open_agent.mcp.servers.ruling import Judge

PATH = "/mcp/bridge"
INSTRUCTIONS = "Tools of the MCP servers that are configured for this mission."


class LiveToolbox(Toolbox):
    """The tools of MCP servers that a mission has at this moment: what is switched off is gone.

    Args:
        tools: Those of the mission.
        rule: Makes a tool one whose calls the operator's rules hold for.
    """

    def __init__(self, tools: MissionTools, rule: Callable[[Tool], Tool]) -> None:
        super().__init__(())
        self._mission = tools
        self._rule = rule

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return self._mission.servers.names

    def get(self, name: str) -> Tool | None:
        """The tool of that name."""
        tool = self._mission.servers.get(name)
        return tool and self._rule(tool)

    def schemas(self) -> list[dict[str, Any]]:
        """Their definitions, in order."""
        return self._mission.servers.schemas()

    def near(self, name: str) -> list[str]:
        """Names that may have been meant."""
        return self._mission.servers.near(name)


@dataclass(frozen=True, slots=True)
class _Open:
    owner: UserId | None
    folder: Path
    sessions: "HttpSessions"
    serving: asyncio.Task[None]


class McpBridges:
    """Opens bridges, and answers requests at `/mcp/bridge`.

    Args:
        base_url: Where this server is reached from this machine; none where it is not listening.
    """

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url
        self._open: dict[str, _Open] = {}

    async def open(self, ctx: RunContext, is_asked: IsAsked) -> Bridge | None:
        """The tools of the run's mission, until `close`; none when there are none to be had.

        None also where a run of somebody else works in the directory: what OpenCode is told of a
        directory holds for all who work there.
        """
        tools, folder = ctx.mission_tools, ctx.workspace.root
        is_shared = any(each.owner != tools.owner for each in self._in(folder))
        if self._base_url is None or is_shared or not tools.servers.names:
            return None
        # 700 ms: the MCP SDK, of which other requests see little.
        sessions = await to_thread.run_sync(in_turn, _import)
        made = sessions(ctx, judge_of(ctx, is_asked))
        is_ready = anyio.Event()
        serving = asyncio.create_task(made.run(is_ready.set), name="mcp bridge")
        await is_ready.wait()
        token = new_token()
        self._open[token] = _Open(tools.owner, folder, made, serving)
        return Bridge(f"{self._base_url}{PATH}", token)

    async def close(self, bridge: Bridge) -> None:
        """End a bridge, with the calls that are still made through it."""
        opened = self._open.pop(bridge.token, None)
        if opened is not None:
            opened.sessions.cut()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([opened.serving])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the word that it brings says of which bridge."""
        values = Headers(scope).all(b"authorization")
        _, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        opened = self._open.get(token.strip())
        if opened is None or not await opened.sessions.answer(scope, receive, send):
            text = "This bridge is not open. It is one run's alone, and ends with it."
            await error_response(401, "auth.invalid", text)(scope, receive, send)

    def _in(self, folder: Path) -> Iterator[_Open]:
        return (each for each in self._open.values() if each.folder == folder)


def judge_of(ctx: RunContext, is_asked: IsAsked) -> "Judge":
    """What the operator's rules forbid of what a run calls.

    What the program asks about, somebody has allowed. What it does not know to ask about is not done.
    """

    def judge(name: str, effect: Effect, arguments: Mapping[str, Any]) -> str | None:
        verdict = ctx.shared.policy.decide(name, effect.value, arguments)
        is_allowed = verdict.action == "ask" and is_asked(name, arguments)
        return None if is_allowed else why_not(verdict)

    return judge


def _import() -> Any:
    # 700 ms: the MCP SDK.
    from open_agent.mcp.servers.http import HttpSessions

    # 1 ms, after that.
    from open_agent.mcp.servers.offering import Offer, tool_server

    # 1 ms, after that.
    from open_agent.mcp.servers.ruling import Ruled

    def make(ctx: RunContext, judge: "Judge") -> HttpSessions:
        def make_context(call: "Call") -> ToolContext:
            shared = ctx.shared
            return ToolContext(
                mission_id=ctx.mission_id,
                run_id=ctx.run.run_id,
                call_id=call.id,
                workspace=ctx.workspace,
                blobs=shared.blobs,
                http=shared.http,
                search=shared.search,
                emit=call.emit,
            )

        tools = LiveToolbox(ctx.mission_tools, lambda tool: Ruled(tool, judge))
        offer = Offer("mcp", INSTRUCTIONS, tools, make_context)
        return HttpSessions(tool_server(offer))

    return make
