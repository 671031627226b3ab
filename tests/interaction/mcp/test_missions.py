"""Missions with the tools of MCP servers: offered, called, switched, and what models are shown."""

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.agent.context import sees_nothing
from open_agent.agent.policy import Rule
from open_agent.core.actor import Actor
from open_agent.core.clock import SystemClock
from open_agent.core.ids import DEFAULT_OWNER, UserId
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome
from open_agent.events.model.answer import AnswerRequested
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.scripted.script import Asked, Call, Script, Turn
from open_agent.services.access.audit import Audit
from open_agent.services.mcp.assembly import McpParts, McpServices, open_mcp
from open_agent.services.mcp.drafts import ServerDraft, StdioDraft
from open_agent.store.database import open_database
from open_agent.store.mcp_servers import SecretChange
from open_agent.tools.registry import Toolbox
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.interaction.agent.rig import Ended, Rig, look, note, rig_on
from tests.interaction.mcp import rig as programs
from tests.interaction.requirements import requirement
from tests.running import gone, running

pytestmark = [pytest.mark.timeout(60), pytest.mark.slow]
CHIEF = Actor(DEFAULT_OWNER, is_admin=True)
FOLDER = Path(str(programs.__file__)).parent


@dataclass
class Made:
    """A worker, and the MCP servers of its missions."""

    rig: Rig
    mcp: McpServices

    async def add(self, name: str, program: str, *args: str, **changes: Any) -> str:
        """Configure one of the test's servers for everybody."""
        transport = StdioDraft(sys.executable, [str(FOLDER / f"{program}.py"), *args])
        draft = ServerDraft(name=name, transport=transport, **changes)
        return (await self.mcp.registry.add(CHIEF, draft)).server.id

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What the model was asked."""
        return [seen.asked.body for seen in self.rig.model.seen if seen.asked is not None]

    async def run(self) -> Ended:
        """A mission, worked on to its end."""
        mission_id = await self.rig.submit()
        await self.rig.work(mission_id)
        return await self.rig.look_at(mission_id)


@asynccontextmanager
async def made(
    tmp_path: Path, script: Script, *, patience: float = 45.0, **options: Any
) -> AsyncGenerator[Made]:
    """A worker whose tools are two of ours and those of MCP servers."""
    clock = SystemClock()
    async with (
        await open_database(tmp_path / "data", clock) as database,
        SupervisedProcesses(tmp_path / "mcp.lock") as processes,
    ):
        isolation = HostIsolation(processes, {"PATH": os.environ["PATH"]})
        own = dict.fromkeys(MissionKind, Toolbox((look, note)))
        parts = McpParts(
            isolation, clock, tmp_path / "mcp", tmp_path / "there", own, patience=patience
        )
        mcp = open_mcp(database, parts, Audit(database.audit, clock))
        try:
            async with rig_on(
                database, tmp_path, script, source=mcp.toolboxes, **options
            ) as worker:
                yield Made(worker, mcp)
        finally:
            await mcp.close()


def playing(*calls: Call) -> Script:
    """A model that makes one call after another and then ends."""

    def play(asked: Asked) -> Turn:
        if asked.turn < len(calls):
            return Turn(calls=(calls[asked.turn],))
        return Turn(text="done")

    return play


def offered(asked: dict[str, Any]) -> list[str]:
    """The names of the tools in a request."""
    return [tool["function"]["name"] for tool in asked["tools"]]


def seeing(model: str) -> bool:
    """Every model sees."""
    return bool(model)


def returned(ended: Ended) -> list[tuple[str, str]]:
    return [(event.outcome, event.content) for event in ended.events(ToolReturned)]


@requirement("mcp:tools:called")
async def test_a_mission_calls_a_tool_of_a_server_that_begins_with_it(tmp_path: Path) -> None:
    script = playing(
        Call("small_add", {"a": 1, "b": 2, "c": None}), Call("small_fail", {"why": "no"})
    )
    async with made(tmp_path, script) as it:
        await it.add("Small", "small_server")
        ended = await it.run()
        assert returned(ended) == [("ok", "3"), ("failed", "Error executing tool fail: no")]
        assert ended.end.outcome is Outcome.SUCCEEDED
        tools = it.requests[0]["tools"]
        names = offered(it.requests[0])
        assert names[:2] == ["look", "note"]
        assert names[2:-1] == sorted(names[2:-1])
        assert names[-1] == "small_read_resource"
        described = next(t["function"] for t in tools if t["function"]["name"] == "small_add")
        assert described["description"] == "[Small] Add two numbers."
        assert set(described["parameters"]["properties"]) == {"a", "b"}
        first, second = (event.effect for event in ended.events(ToolCalled))
        assert (first, second) == ("execute", "execute")
        again = await it.run()
        assert returned(again) == returned(ended)
        assert it.requests[0]["tools"] == it.requests[-1]["tools"]


@requirement("mcp:tools:trusted")
async def test_what_a_server_says_of_itself_is_believed_where_it_is_trusted(tmp_path: Path) -> None:
    script = playing(Call("small_add", {"a": 1, "b": 2}), Call("small_remember", {"text": "x"}))
    async with made(tmp_path, script) as it:
        await it.add("small", "small_server", is_trusted=True)
        effects = [event.effect for event in (await it.run()).events(ToolCalled)]
        assert effects == ["read", "execute"]


@requirement("mcp:tools:nothing")
async def test_without_a_server_there_is_nothing_to_pay_for(tmp_path: Path) -> None:
    async with made(tmp_path, playing()) as it:
        box = it.mcp.toolboxes.toolbox(DEFAULT_OWNER, MissionKind.TASK)
        assert box is it.mcp.toolboxes.toolbox(UserId("other"), MissionKind.TASK)
        assert box.names == ["look", "note"]
        await it.run()
        assert not running(str(tmp_path / "mcp.lock"))


@requirement("mcp:tools:toggle")
async def test_a_tool_that_is_switched_off_is_gone_at_once_and_comes_back(tmp_path: Path) -> None:
    async with made(tmp_path, playing(Call("look"), Call("look"), Call("look"))) as it:
        seen: list[list[str]] = []
        switched = anyio.Event()

        async def switch() -> None:
            while len(it.requests) < 1:
                await anyio.sleep(0.001)
            await it.mcp.registry.switch(CHIEF, "note", is_enabled=False)
            switched.set()

        async with anyio.create_task_group() as group:
            group.start_soon(switch)
            await it.run()
        await switched.wait()
        await it.run()
        seen.append(offered(it.requests[-1]))
        await it.mcp.registry.switch(CHIEF, "note", is_enabled=True)
        await it.run()
        seen.append(offered(it.requests[-1]))
        assert seen == [["look"], ["look", "note"]]


@requirement("mcp:tools:toggle")
async def test_a_call_of_a_tool_that_is_switched_off_is_refused(tmp_path: Path) -> None:
    async with made(tmp_path, playing(Call("small_add", {"a": 1, "b": 1}), Call("look"))) as it:
        await it.add("small", "small_server")
        await it.mcp.toolboxes.look_first(DEFAULT_OWNER)
        await it.mcp.registry.switch(CHIEF, "small_add", is_enabled=False)
        ended = await it.run()
        outcome, content = returned(ended)[0]
        assert outcome == "failed"
        assert "There is no tool called 'small_add'" in content


@requirement("mcp:tools:changes")
async def test_a_tool_that_comes_later_is_offered_in_the_same_run(tmp_path: Path) -> None:
    def play(asked: Asked) -> Turn:
        names = [tool["function"]["name"] for tool in asked.body["tools"]]
        if asked.turn == 0:
            return Turn(calls=(Call("small_grow"),))
        if "small_grown" not in names and asked.turn < 100:
            return Turn(calls=(Call("small_wait", {"seconds": 0.01, "mark": str(asked.turn)}),))
        return Turn(text="seen" if "small_grown" in names else "not seen")

    async with made(tmp_path, play, repeats_ended=1_000, repeats_told=1_000) as it:
        await it.add("small", "small_server")
        assert (await it.run()).end.result == "seen"


@requirement("mcp:tools:approval")
async def test_rules_of_approval_hold_for_tools_of_servers(tmp_path: Path) -> None:
    rules = (Rule("deny", tool="small_remember"), Rule("ask", tool="small_a*"))
    script = playing(Call("small_remember", {"text": "x"}), Call("small_add", {"a": 1, "b": 1}))
    async with made(tmp_path, script, policy=rules) as it:
        await it.add("small", "small_server")
        mission_id = await it.rig.submit()
        await it.rig.work(mission_id)
        ended = await it.rig.look_at(mission_id)
        assert [outcome for outcome, _ in returned(ended)] == ["denied"]
        [asked] = ended.events(AnswerRequested)
        assert (asked.name, asked.arguments) == ("small_add", {"a": 1, "b": 1})
        await it.rig.answer(mission_id, asked.call_id, "allow")
        await it.rig.work(mission_id)
        assert returned(await it.rig.look_at(mission_id))[1] == ("ok", "2")


@requirement("mcp:tools:images")
@pytest.mark.parametrize("is_seeing", [True, False])
async def test_images_reach_models_that_see_and_others_are_told(
    tmp_path: Path, is_seeing: bool
) -> None:
    script = playing(Call("small_picture"), Call("look"))
    async with made(tmp_path, script, sees=seeing if is_seeing else sees_nothing) as it:
        await it.add("small", "small_server")
        ended = await it.run()
        event = ended.events(ToolReturned)[0]
        [ref] = event.images
        path = it.rig.database.blobs.path(ended.mission_id, ref)
        assert event.content.startswith("[Image 1: image/png, 1 KB, kept as ")
        assert str(path) in event.content
        assert (await anyio.Path(path).read_bytes()).startswith(b"\x89PNG")
        for request in it.requests[1:3]:
            roles = [message["role"] for message in request["messages"]]
            shown = request["messages"][4:5]
            if is_seeing:
                assert roles[3:5] == ["tool", "user"]
                text, image = shown[0]["content"]
                assert text["type"] == "text"
                url = image["image_url"]["url"]
                assert url.startswith("data:image/png;base64,iVBOR")
            else:
                assert "image_url" not in str(request["messages"])


@requirement("mcp:tools:long")
async def test_a_long_answer_is_cut_and_all_of_it_is_kept(tmp_path: Path) -> None:
    async with made(tmp_path, playing(Call("small_long", {"characters": 100_000}))) as it:
        await it.add("small", "small_server")
        ended = await it.run()
        [event] = ended.events(ToolReturned)
        assert len(event.content) < 33_000
        assert "characters left out. All of it is in " in event.content
        assert event.spilled is not None
        kept = await it.rig.database.blobs.get(ended.mission_id, event.spilled)
        assert len(kept) == 100_000 // 13 * 13


@requirement("mcp:tools:hostile")
@pytest.mark.parametrize("kind", ["dies", "long_line", "flood", "wrong_shape"])
async def test_a_hostile_server_costs_a_call_and_never_the_run(tmp_path: Path, kind: str) -> None:
    script = playing(Call("evil_bad"), Call("evil_good"), Call("look", {"name": "it"}))
    async with made(tmp_path, script) as it:
        await it.add("evil", "hostile_server", kind)
        ended = await it.run()
        outcomes = [outcome for outcome, _ in returned(ended)]
        assert outcomes == ["failed", "ok", "ok"]
        assert returned(ended)[0][1].startswith("The server evil: ")
        assert ended.end.outcome is Outcome.SUCCEEDED


@requirement("mcp:tools:names")
async def test_names_are_legal_and_nobodys_else(tmp_path: Path) -> None:
    async with made(tmp_path, playing()) as it:
        await it.add("look", "hostile_server", "twice")
        await it.add("Look!", "hostile_server", "plain")
        odd = await it.add("odd", "hostile_server", "schemas")
        await it.run()
        names = offered(it.requests[0])
        assert names == [
            "look", "note", "look_bad", "look_good", "look_2_bad", "look_2_good", "odd_good",
            "odd_odd_name_",
        ]  # fmt: skip
        tools = it.requests[0]["tools"]
        assert tools[-1]["function"]["description"] == "[odd] red"
        left_out = (await it.mcp.registry.get(CHIEF, odd)).left_out
        assert sorted(each.name for each in left_out) == ["a" * 128, "huge", "outside", "text"]
        assert all(each.why for each in left_out)


@requirement("mcp:tools:slow-server")
@pytest.mark.parametrize("kind", ["never_starts", "list_hangs"])
async def test_a_server_that_does_not_answer_does_not_hold_up_a_run(
    tmp_path: Path, kind: str
) -> None:
    async with made(tmp_path, playing(Call("look")), patience=1.0) as it:
        await it.add("slow", "hostile_server", kind)
        with anyio.fail_after(15):
            ended = await it.run()
        assert ended.end.outcome is Outcome.SUCCEEDED
        assert offered(it.requests[0]) == ["look", "note"]


@requirement("mcp:tools:apart")
async def test_two_missions_share_no_state_of_a_server_that_keeps_it(tmp_path: Path) -> None:
    script = playing(Call("small_remember", {"text": "x"}), Call("small_environment"))
    async with made(tmp_path, script) as it:
        await it.add("small", "small_server", is_per_mission=True)
        ends: list[Ended] = []

        async def run() -> None:
            ends.append(await it.run())

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(run)
        assert [returned(ended)[0] for ended in ends] == [("ok", "x"), ("ok", "x")]
        assert returned(ends[0])[1] != returned(ends[1])[1]
        for _, said in (returned(ended)[1] for ended in ends):
            assert not Path(json.loads(said)["cwd"]).exists(), "it ends with its run"


@requirement("mcp:tools:others")
async def test_anothers_servers_are_not_ones_own(tmp_path: Path) -> None:
    async with made(tmp_path, playing()) as it:
        transport = StdioDraft(sys.executable, [str(FOLDER / "small_server.py")])
        anna = Actor(UserId("anna"))
        await it.mcp.registry.add(anna, ServerDraft(name="mine", transport=transport))
        await it.run()
        assert offered(it.requests[0]) == ["look", "note"]
        await it.mcp.toolboxes.look_first(UserId("anna"))
        assert "mine_add" in it.mcp.toolboxes.of_servers(UserId("anna")).names
        assert it.mcp.toolboxes.of_servers(DEFAULT_OWNER).names == []


@requirement("mcp:client:elsewhere")
@pytest.mark.parametrize("change", ["removed", "disabled", "changed"])
async def test_what_another_host_has_ended_does_not_run_on_here(
    tmp_path: Path, change: str
) -> None:
    mark, kept = f"ended-{tmp_path.name}", f"kept-{tmp_path.name}"
    async with made(tmp_path, playing()) as it:
        id_ = await it.add("first", "small_server", mark)
        await it.add("second", "small_server", kept)
        await it.mcp.toolboxes.look_first(DEFAULT_OWNER)
        assert (len(running(mark)), len(running(kept))) == (1, 1)
        rows = it.rig.database.mcp
        if change == "removed":
            await rows.delete(id_, owner=DEFAULT_OWNER)
        else:
            server = it.mcp.directory.get(CHIEF, id_)
            transport = replace(server.transport, args=("elsewhere",))
            changed = {"disabled": {"is_enabled": False}, "changed": {"transport": transport}}
            await rows.change(
                replace(server, **changed[change]), SecretChange(), owner=DEFAULT_OWNER
            )
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: it.mcp.look_after(is_shared=True))
            await gone(mark, seconds=15)
            group.cancel_scope.cancel()
        assert len(running(kept)) == 1


@requirement("mcp:tools:first-look")
async def test_a_program_that_was_slow_to_be_looked_at_does_not_stay(tmp_path: Path) -> None:
    mark = f"slow-{tmp_path.name}"
    async with made(tmp_path, playing(Call("look")), patience=0.1) as it:
        id_ = await it.add("slow", "hostile_server", "slow_start", mark, is_per_mission=True)
        ended = await it.run()
        assert offered(it.requests[0]) == ["look", "note"]
        assert ended.end.outcome is Outcome.SUCCEEDED
        assert running(mark), "it was not waited for"
        with anyio.fail_after(20):
            while it.mcp.directory.get(CHIEF, id_).listing.at is None:
                await anyio.sleep(0.01)
        await gone(mark, seconds=5)
        await it.run()
        assert "slow_good" in offered(it.requests[-1])


@requirement("mcp:tools:slow-server")
async def test_a_server_that_was_waited_for_in_vain_is_not_waited_for_again(
    tmp_path: Path,
) -> None:
    async with made(tmp_path, playing(), patience=2.0) as it:
        await it.add("slow", "hostile_server", "never_starts")
        await it.mcp.toolboxes.look_first(DEFAULT_OWNER)
        with anyio.fail_after(1.0):
            await it.mcp.toolboxes.look_first(DEFAULT_OWNER)
