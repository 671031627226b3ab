"""The tools that runs have, for any client: files, commands, searches, git and the web.

What they do happens in one workspace, on this machine, with the rights of whoever started the
server. Every server has processes of its own; they end with it, however it ends.
"""

from pathlib import Path

from open_agent.core.ids import MissionId, RunId, new_uuid
from open_agent.events.blobs import BlobStore
from open_agent.mcp.servers.offering import Call, Offer
from open_agent.mcp.servers.ruling import Judge, ruled
from open_agent.tools.definition import ToolContext
from open_agent.tools.ports import HttpFetcher, WebSearch
from open_agent.tools.standard import standard_tools
from open_agent.workspaces.isolation import Isolation

NAME = "open-agent-host"


async def host_tools(
    root: Path,
    isolation: Isolation,
    blobs: BlobStore,
    web: tuple[HttpFetcher, WebSearch],
    judge: Judge,
) -> Offer[ToolContext]:
    """The tools of a task, at work in `root`; what `judge` forbids is not done."""
    http, search = web
    workspace = await isolation.workspace(root)
    # Nobody but this server knows them: they say which processes and which outputs are its own.
    mission_id, run_id = MissionId(new_uuid()), RunId(new_uuid())

    def make_context(call: Call) -> ToolContext:
        return ToolContext(
            mission_id=mission_id,
            run_id=run_id,
            call_id=call.id,
            workspace=workspace,
            blobs=blobs,
            http=http,
            search=search,
            emit=call.emit,
        )

    instructions = (
        f"These tools act on the machine that the server runs on. The working directory is {root}; "
        "relative paths start there. Background processes end when the server does."
    )
    return Offer(NAME, instructions, ruled(standard_tools(), judge), make_context)
