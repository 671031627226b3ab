"""A server as anybody would make one, with the official SDK: what is promised of its tools."""

import json
import sys
from pathlib import Path

import anyio
import pytest

from open_agent.core.mcp import McpSecret, SecretKind, StdioTransport
from open_agent.mcp.client.ports import Place
from tests.interaction.mcp.rig import ANNA, BEN, configured, in_mission, program, rig
from tests.interaction.requirements import requirement
from tests.running import gone, running

pytestmark = [pytest.mark.timeout(60), pytest.mark.slow]


@requirement("mcp:client:call")
async def test_a_call_is_answered_by_a_server_that_begins_with_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server = program("small_server")
        assert not running(str(tmp_path / "supervisor"))
        assert (await made.call(server, "add", a=1, b=2)).text == "3"
        failed = await made.call(server, "fail", why="because")
        assert failed.is_error
        assert "because" in failed.text
        [listing] = made.keeper.listings
        assert listing.version == "1.2.3"
        assert listing.has_resources
        hints = {tool.name: tool.is_read_only for tool in listing.tools}
        assert (hints["add"], hints["remember"]) == (True, False)
        assert made.keeper.counts == [False, True]


@requirement("mcp:client:environment")
async def test_a_server_knows_its_own_variables_and_none_of_ours(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.keeper.held.append(McpSecret(SecretKind.ENV, "TOKEN", "mine"))
        said = json.loads((await made.call(program("small_server"), "environment")).text)
        env = {name: value for name, value in said["env"].items() if name != "LC_CTYPE"}
        assert env == {
            "PATH": env["PATH"],
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "TOKEN": "mine",
        }
        assert said["cwd"] == str(tmp_path / "work")
        place = in_mission(folder=tmp_path / "there")
        kept = program("small_server", is_per_mission=True)
        said = json.loads((await made.call(kept, "environment", place)).text)
        assert said["env"]["OPEN_AGENT_WORKSPACE"] == str(tmp_path / "there")
        own = Path(said["cwd"])
        assert own.name.startswith("open-agent-mcp-")
        assert [link.readlink() for link in (tmp_path / "run").glob(own.name)] == [own]
        assert said["env"]["TMPDIR"] == str(own)
        await made.pool.close()
        assert not own.exists()
        assert not list((tmp_path / "run").iterdir())


@requirement("mcp:client:apart")
async def test_users_and_where_it_matters_missions_have_processes_of_their_own(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as made:
        shared, apart = program("small_server"), program("small_server", is_per_mission=True)
        first, second, other = in_mission(), in_mission(), in_mission(BEN)

        async def remember(server: object, place: Place) -> list[str]:
            assert server in (shared, apart)
            chosen = shared if server is shared else apart
            mission = str(place.mission_id)[:4]
            return (await made.call(chosen, "remember", place, text=mission)).text.split("\n")

        ids = [str(place.mission_id)[:4] for place in (first, second, other)]
        assert await remember(shared, first) == ids[:1]
        assert await remember(shared, second) == ids[:2]
        assert await remember(shared, other) == ids[2:]
        assert await remember(apart, first) == ids[:1]
        assert await remember(apart, second) == ids[1:2]
        assert first.mission_id is not None
        await made.pool.end_mission(first.mission_id)
        assert await remember(apart, second) == ids[1:2] * 2
        assert await remember(apart, first) == ids[:1]


@requirement("mcp:client:restart")
async def test_a_server_that_died_is_begun_again_and_its_words_are_kept_without_secrets(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as made:
        made.keeper.held.append(McpSecret(SecretKind.ENV, "TOKEN", "a canary"))
        server = program("small_server")
        assert "exit code 3" in await made.refused(server, "die")
        state = made.pool.state(server.id, ANNA)
        assert state.error is not None
        assert "exit code 3" in state.error
        assert "dying with ****" in state.stderr
        assert (await made.call(server, "add", a=1, b=1)).text == "2"
        assert made.pool.state(server.id, ANNA).error is None


@requirement("mcp:client:cancel")
async def test_cancelling_a_call_cancels_it_at_the_server(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server, mark = program("small_server"), tmp_path / "mark"
        said: list[str] = []
        with anyio.CancelScope() as scope:

            def hear(text: str) -> None:
                said.append(text)
                scope.cancel()

            arguments = {"seconds": 60, "mark": str(mark)}
            await made.pool.call(server, Place(ANNA), "wait", arguments, hear)
        assert said == ["step 0 (0/3)\n"]
        with anyio.fail_after(5):
            while not mark.exists():
                await anyio.sleep(0.01)
        assert (await made.call(server, "add", a=1, b=1)).text == "2"
        assert len(made.keeper.listings) == 1


@requirement("mcp:client:timeout")
async def test_a_call_has_a_deadline_of_its_servers(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server = program("small_server", call_seconds=1)
        assert "did not answer within 1 seconds" in await made.refused(server, "wait", seconds=60)
        assert (await made.call(server, "add", a=1, b=1)).text == "2"


@requirement("mcp:client:changes")
async def test_a_list_that_changes_is_read_again(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        newer, older = program("small_server"), program("hostile_server", "changes")
        for server, tool, new in ((newer, "grow", "grown"), (older, "bad", "new")):
            await made.call(server, tool)
            with anyio.fail_after(10):
                while new not in made.keeper.names:
                    await anyio.sleep(0.01)
        assert (await made.call(newer, "grown")).text == "here"
        protocols = [made.pool.state(server.id, ANNA).protocol for server in (newer, older)]
        assert protocols == ["2026-07-28", "2025-06-18"]


@requirement("mcp:client:idle")
async def test_a_session_that_nobody_uses_ends_and_begins_again(tmp_path: Path) -> None:
    async with rig(tmp_path, idle=0.3) as made:
        server = program("small_server", "mark-of-idle")
        await made.call(server, "add", a=1, b=1)
        await gone("mark-of-idle", seconds=20)
        state = made.pool.state(server.id, ANNA)
        assert (state.is_open, state.error) == (False, None)
        assert (await made.call(server, "add", a=1, b=2)).text == "3"


@requirement("mcp:client:results")
async def test_pictures_and_values_in_answers_are_read(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server = program("small_server")
        shown = await made.call(server, "picture")
        assert [image.media_type for image in shown.images] == ["image/png"]
        assert shown.images[0].data.startswith(b"\x89PNG")
        assert shown.text == ""


@requirement("mcp:client:reading")
async def test_resources_and_prompts_are_listed_and_read(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server, place = program("small_server"), Place(ANNA)
        await made.call(server, "remember", text="milk")
        [resource], templates = await made.pool.resources(server, place)
        assert (resource["uri"], templates) == ("notes://all", [])
        assert (await made.pool.read_resource(server, place, "notes://all")).text == "notes:\nmilk"
        [prompt] = await made.pool.prompts(server, place)
        assert prompt["name"] == "greet"
        filled = await made.pool.prompt(server, place, "greet", {"name": "Anna"})
        assert filled["messages"][0]["content"]["text"] == "Say hello to Anna."


@requirement("mcp:client:ended")
async def test_a_program_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server = configured(StdioTransport("no-such-program-here"))
        assert "no-such-program-here" in await made.refused(server)
        (tmp_path / "not-executable").write_text("x")
        refused = configured(StdioTransport(str(tmp_path / "not-executable")))
        assert "ermission denied" in await made.refused(refused)


@requirement("mcp:client:ended")
async def test_whatever_a_server_started_ends_with_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        code = "import subprocess, sys; subprocess.Popen(['setsid', 'sleep', '86322']); "
        path = Path(__file__).parent / "small_server.py"
        code += f"sys.argv = ['x']; exec(compile(open({str(path)!r}).read(), 'x', 'exec'))"
        server = configured(StdioTransport(sys.executable, ("-c", code)))
        assert (await made.call(server, "add", a=1, b=1)).text == "2"
        assert running("sleep 86322")
        await made.pool.forget(server.id)
        assert not running("sleep 86322")
    await gone("sleep 86322", seconds=1)
