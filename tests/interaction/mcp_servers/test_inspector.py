"""The official inspector, which also judges whether schemas are good for every client."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.mcp.servers.desktop.standard import TOOLS as DESKTOP_TOOLS
from open_agent.server.mcp.tools import TOOLS as SERVER_TOOLS
from open_agent.tools.standard import TOOLS as HOST_TOOLS
from tests.interaction.cli.rig import COMMAND
from tests.interaction.http.rig import TOKEN, server
from tests.interaction.mcp_servers.port import on_port
from tests.interaction.mcp_servers.rig import environment, prepare
from tests.interaction.requirements import requirement
from tests.programs import npm_program


async def inspect(folder: Path, *arguments: str) -> dict[str, Any]:
    """What the inspector prints, having found nothing to complain of."""
    prepare(folder)
    done = await anyio.run_process(
        [*npm_program("mcp-inspector"), "--cli", *arguments],
        env=environment(folder),
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return json.loads(done.stdout)


def names(listed: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in listed["tools"]]


@requirement("mcp-servers:stdio:inspector")
async def test_the_inspector_lists_and_calls_over_stdio(tmp_path: Path) -> None:
    host = [COMMAND, "mcp", "host"]
    listed = await inspect(tmp_path, *host, "--method", "tools/list", "--strict")
    assert names(listed) == [tool.name for tool in HOST_TOOLS]
    desktop = [COMMAND, "mcp", "desktop"]
    listed = await inspect(tmp_path, *desktop, "--method", "tools/list", "--strict")
    assert names(listed) == [tool.name for tool in DESKTOP_TOOLS]
    call = ["--method", "tools/call", "--tool-name", "run_command"]
    ran = await inspect(tmp_path, *host, *call, "--tool-arg", "command=echo inspected")
    assert "inspected" in ran["content"][0]["text"]


@requirement("mcp-servers:http:inspector")
@pytest.mark.timeout(90)
async def test_the_inspector_lists_and_calls_over_http(tmp_path: Path) -> None:
    async with server(tmp_path, is_durable=False) as rig, on_port(rig) as url:
        there = [url, "--transport", "http", "--header", f"Authorization: Bearer {TOKEN}"]
        listed = await inspect(tmp_path, *there, "--method", "tools/list", "--strict")
        assert names(listed) == SERVER_TOOLS.names
        call = ["--method", "tools/call", "--tool-name", "submit_task"]
        made = await inspect(tmp_path, *there, *call, "--tool-arg", "task=Do it.")
        task = json.loads(made["content"][0]["text"])
    assert (task["title"], task["status"]) == ("Do it.", "pending")
