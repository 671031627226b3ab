"""`open-agent mcp host`, as clients that nobody here wrote use it."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import MCPError

from open_agent.core.ids import new_uuid
from open_agent.tools.standard import TOOLS
from tests.interaction.mcp_servers.rig import (
    INITIALIZE,
    INITIALIZED,
    connected,
    prepare,
    spoken,
    text_of,
)
from tests.interaction.requirements import requirement
from tests.running import gone, running, started


@requirement("mcp-servers:host:tools")
async def test_a_client_finds_and_uses_every_tool_of_the_registry(tmp_path: Path) -> None:
    async with connected("host", tmp_path) as client:
        assert client.server_info is not None
        assert client.server_info.name == "open-agent-host"
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == [tool.name for tool in TOOLS]
        assert all(tool.description and tool.input_schema["type"] == "object" for tool in tools)
        hints = {tool.name: tool.annotations for tool in tools}
        read, command = hints["read_file"], hints["run_command"]
        assert read is not None
        assert read.read_only_hint
        assert command is not None
        assert command.destructive_hint
        written = await client.call_tool("write_file", {"path": "a.txt", "content": "one\n"})
        assert not written.is_error
        assert (tmp_path / "work" / "a.txt").read_text() == "one\n"
        found = await client.call_tool("grep_search", {"pattern": "on."})
        assert "a.txt" in text_of(found)
        ran = await client.call_tool("run_command", {"command": "pwd; exit 3"})
        assert text_of(ran).startswith("Exit code: 3")
        assert str(tmp_path / "work") in text_of(ran)


@requirement("mcp-servers:host:tools")
async def test_the_workspace_is_the_current_folder_where_nothing_else_is_said(
    tmp_path: Path,
) -> None:
    async with connected("host", tmp_path, OPEN_AGENT_WORKSPACE="") as client:
        assert str(tmp_path) in text_of(await client.call_tool("run_command", {"command": "pwd"}))


@requirement("mcp-servers:calls:errors")
async def test_what_a_tool_refuses_is_for_the_model_and_what_is_no_tool_for_the_client(
    tmp_path: Path,
) -> None:
    async with connected("host", tmp_path) as client:
        missing = await client.call_tool("read_file", {"path": "nothing"})
        assert (missing.is_error, "Not found" in text_of(missing)) == (True, True)
        wrong = await client.call_tool("read_file", {"file": "nothing"})
        assert wrong.is_error
        assert "`path` is missing" in text_of(wrong)
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("read_fil", {})
        assert unknown.value.error.code == types.INVALID_PARAMS
        assert "read_file" in unknown.value.error.message


@requirement("mcp-servers:calls:together")
async def test_a_long_command_blocks_nothing_else(tmp_path: Path) -> None:
    mark = new_uuid()
    async with spoken("host", tmp_path) as server:
        long = {"command": f"sleep 60 && : {mark}"}
        await server.call(1, "tools/call", name="run_command", arguments=long)
        await started(mark)
        await server.call(2, "tools/call", name="run_command", arguments={"command": "echo two"})
        await server.call(3, "ping")
        await server.call(4, "tools/list")
        answered = {(await server.next())["id"] for _ in range(3)}
        assert answered == {2, 3, 4}
        assert running(mark)


@requirement("mcp-servers:calls:cancel")
async def test_a_cancelled_call_ends_with_its_processes_and_is_not_answered(
    tmp_path: Path,
) -> None:
    mark = new_uuid()
    async with spoken("host", tmp_path) as server:
        command = {"command": f"setsid bash -c 'sleep 60 && : {mark}' & sleep 60 && : {mark}"}
        await server.call(1, "tools/call", name="run_command", arguments=command)
        await started(mark, 2)
        cancel = {"requestId": 1, "reason": "enough"}
        await server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel})
        await gone(mark, seconds=10)
        await server.call(2, "ping")
        await server.reply(2)
        assert 1 not in [line.get("id") for line in server.lines]


@requirement("mcp-servers:calls:progress")
async def test_live_output_is_progress_for_those_who_ask(tmp_path: Path) -> None:
    heard: list[tuple[float, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))
        if message == "one\n":
            (tmp_path / "work" / "go").touch()

    command = "echo one; until test -e go; do sleep 0.01; done; echo two"
    async with connected("host", tmp_path) as client:
        ran = await client.call_tool(
            "run_command", {"command": command}, progress_callback=on_progress
        )
    # The command ends only because its first line was heard of while it ran.
    assert "one\ntwo" in text_of(ran)
    assert heard[0] == (1.0, "one\n")
    assert [count for count, _ in heard] == sorted({count for count, _ in heard})


@requirement("mcp-servers:stdio:hostile")
async def test_nothing_that_a_client_sends_ends_the_server(tmp_path: Path) -> None:
    lines: list[tuple[bytes, int]] = [
        (b"garbage", types.PARSE_ERROR),
        (b"\xff\xfe\x00", types.PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":', types.PARSE_ERROR),
        (b"[" * 100_000, types.PARSE_ERROR),
        (b"[]", types.INVALID_REQUEST),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', types.INVALID_REQUEST),
        (b'{"id":1}', types.INVALID_REQUEST),
        (b'"text"', types.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', types.INVALID_REQUEST),
        (b"x" * (17 * 1024 * 1024), types.PARSE_ERROR),
    ]
    async with spoken("host", tmp_path) as server:
        for line, code in lines:
            await server.send(line)
            assert (await server.reply(None))["error"]["code"] == code, line[:50]
        await server.send(b"", b"   ", {"jsonrpc": "2.0", "method": "notifications/unheard-of"})
        await server.send({"jsonrpc": "2.0", "id": 99, "result": {}})
        await server.call(1, "no/such/method")
        assert (await server.reply(1))["error"]["code"] == types.METHOD_NOT_FOUND
        await server.call(2, "tools/call", name=7)
        assert (await server.reply(2))["error"]["code"] == types.INVALID_PARAMS
        await server.call(3, "ping")
        assert (await server.reply(3))["result"] == {}
        assert [line for line in server.lines if "method" in line] == []


NOISE = """
import os, threading, time

def make_noise():
    while not os.path.exists({go!r}):
        time.sleep(0.01)
    print("noise of a library", flush=True)
    os.write(1, b"noise of a library below Python\\n")
    open({made!r}, "w").close()

threading.Thread(target=make_noise, daemon=True).start()
"""
"""Begins to print when it is told to: what any library might do."""


@requirement("mcp-servers:stdio:protocol-only")
async def test_standard_output_is_the_protocol_and_nothing_else(tmp_path: Path) -> None:
    prepare(tmp_path)
    go, made = tmp_path / "work" / "go", tmp_path / "work" / "made"
    (tmp_path / "sitecustomize.py").write_text(NOISE.format(go=str(go), made=str(made)))
    async with spoken("host", tmp_path, PYTHONPATH=str(tmp_path)) as server:
        command = {"command": "touch go; until test -e made; do sleep 0.01; done; echo loud"}
        await server.call(1, "tools/call", name="run_command", arguments=command)
        result = (await server.reply(1))["result"]
        assert "loud" in result["content"][0]["text"]
        # `Raw.next` has read every line as a message.
        assert len(server.lines) == 2
        assert server.process.stdin is not None
        assert server.process.stderr is not None
        await server.process.stdin.aclose()
        said = b"".join([piece async for piece in server.process.stderr])
    assert b"noise of a library\n" in said
    assert b"noise of a library below Python" in said


@requirement("mcp-servers:stdio:ends-with-client")
async def test_everything_ends_when_the_client_closes_its_end(tmp_path: Path) -> None:
    mark = new_uuid()
    async with spoken("host", tmp_path) as server:
        command = {
            "command": f"setsid bash -c 'sleep 60 && : {mark}' & sleep 60 && : {mark}",
            "keep": True,
        }
        await server.call(1, "tools/call", name="run_command", arguments=command)
        await started(mark, 2)
        assert server.process.stdin is not None
        await server.process.stdin.aclose()
        assert await server.ended() == 0
        await gone(mark, seconds=5)
    assert list((tmp_path / "tmp").iterdir()) == []


@requirement("mcp-servers:stdio:ends-with-client")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_everything_ends_at_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    mark = new_uuid()
    async with spoken("host", tmp_path) as server:
        command = {"command": f"sleep 60 && : {mark}"}
        await server.call(1, "tools/call", name="run_command", arguments=command)
        await started(mark)
        os.kill(server.process.pid, number)
        assert await server.ended() == 0
        await gone(mark, seconds=5)
    assert list((tmp_path / "tmp").iterdir()) == []


@requirement("mcp-servers:stdio:ends-with-client")
async def test_everything_ends_when_the_server_is_killed(tmp_path: Path) -> None:
    mark = new_uuid()
    async with spoken("host", tmp_path) as server:
        command = {
            "command": f"setsid bash -c 'sleep 60 && : {mark}' & sleep 60 && : {mark}",
            "keep": True,
        }
        await server.call(1, "tools/call", name="run_command", arguments=command)
        await started(mark, 2)
        os.kill(server.process.pid, signal.SIGKILL)
        await gone(mark, seconds=5)
    left = {path.name for path in (tmp_path / "tmp").iterdir()}
    assert len(left) == 1
    # Another server that is at work keeps its folder; what the dead one left goes.
    async with spoken("host", tmp_path), connected("host", tmp_path) as client:
        now = {path.name for path in (tmp_path / "tmp").iterdir()}
        assert len(now) == 2
        assert not left & now
        assert not (await client.call_tool("run_command", {"command": "true"})).is_error


@requirement("mcp-servers:host:rules")
async def test_what_the_operators_rules_forbid_or_would_ask_about_is_not_done(
    tmp_path: Path,
) -> None:
    rules = [
        {"action": "allow", "command": "git status*"},
        {"action": "deny", "command": "rm *"},
        {"action": "ask", "command": "git *"},
        {"action": "deny", "effect": "network"},
        {"action": "deny", "tool": "write_file"},
    ]
    async with connected("host", tmp_path, APPROVALS=json.dumps(rules)) as client:

        async def call(tool: str, **arguments: Any) -> tuple[bool, str]:
            result = await client.call_tool(tool, arguments)
            return result.is_error, text_of(result)

        (tmp_path / "work" / "kept.txt").write_text("kept")
        failed, said = await call("run_command", command="cd . && rm kept.txt")
        assert failed
        assert "forbids the call (deny command `rm *`)" in said
        failed, said = await call("run_command", command="git init")
        assert failed
        assert "a person has to be asked first (ask command `git *`)" in said
        assert not (await call("run_command", command="git status --short"))[0]
        assert not (await call("run_command", command="ls"))[0]
        assert (await call("fetch_url", url="https://example.com/"))[0]
        assert (await call("write_file", path="a.txt", content="x"))[0]
        assert [path.name for path in (tmp_path / "work").iterdir()] == ["kept.txt"]


@requirement("mcp-servers:host:secrets")
async def test_commands_do_not_see_what_only_the_server_is_given(tmp_path: Path) -> None:
    secrets = {"TAVILY_API_KEY": "tvly-secret-value", "GITHUB_SECRET": "ghs-secret-value"}
    async with connected("host", tmp_path, **secrets) as client:
        shown = text_of(await client.call_tool("run_command", {"command": "env"}))
    assert "secret-value" not in shown
    assert "DATA_DIR" not in shown


@requirement("mcp-servers:calls:bounded")
async def test_a_long_output_is_cut_and_can_be_read_whole(tmp_path: Path) -> None:
    async with connected("host", tmp_path) as client:
        long = text_of(await client.call_tool("run_command", {"command": "seq 1 200000"}))
        assert len(long) < 40_000
        path = long.partition("All of it is in ")[2].partition(": read_file")[0]
        read = await client.call_tool(
            "read_file", {"path": path, "start_line": 199_999, "end_line": 199_999}
        )
        assert "199999" in text_of(read)


@requirement("mcp-servers:stdio:eras")
@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_every_revision_of_the_protocol_is_spoken(tmp_path: Path, version: str) -> None:
    hello: dict[str, Any] = json.loads(json.dumps(INITIALIZE))
    hello["params"]["protocolVersion"] = version
    async with spoken("host", tmp_path, is_greeted=False) as server:
        await server.send(hello)
        assert (await server.reply("hello"))["result"]["protocolVersion"] == version
        await server.send(INITIALIZED)
        await server.call(1, "tools/call", name="run_command", arguments={"command": "echo hi"})
        assert "hi" in (await server.reply(1))["result"]["content"][0]["text"]


@requirement("mcp-servers:stdio:settings")
async def test_a_wrong_setting_is_said_and_ends_it(tmp_path: Path) -> None:
    prepare(tmp_path)
    async with spoken("desktop", tmp_path, is_greeted=False, DESKTOP_RESOLUTION="huge") as server:
        assert await server.ended() == 2
        assert server.process.stderr is not None
        said = b""
        with anyio.move_on_after(5):
            async for piece in server.process.stderr:
                said += piece
        assert b"DESKTOP_RESOLUTION" in said
