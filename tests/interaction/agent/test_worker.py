"""What a worker does when a mission cannot be worked on as usual."""

import sqlite3
from contextlib import closing
from pathlib import Path

from open_agent.core.run import Outcome
from open_agent.scripted.script import Call, Turn, say
from open_agent.store.sqlite.database import FILE_NAME
from open_agent.tools.definition import Effect, ToolContext, tool
from tests.interaction.agent.rig import Rig, Window, rig


class Broken(Window):
    """A window that nobody can tell."""

    def output_tokens(self, model: str) -> int:
        """Fail as only a mistake of ours does."""
        raise ZeroDivisionError(model)


async def test_a_run_that_we_cannot_carry_on_ends_and_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path, say(Turn(text="Done.")), window=Broken()) as r:
        ended = await r.run()
        assert not r.worker.contexts
    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "internal_error")
    assert "its log says how" in ended.end.result


async def test_a_run_for_a_backend_that_is_not_here_any_more_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path, say(Turn(text="Done."))) as r:
        ended = await r.run(backend="gone")
        assert not r.worker.contexts
    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "backend.unknown")
    assert ended.end.result == "Bring it back."


async def test_a_worker_whose_lease_is_lost_appends_nothing_more(tmp_path: Path) -> None:
    rigs: list[Rig] = []

    @tool(effect=Effect.READ, timeout=5)
    async def hand_over(ctx: ToolContext) -> str:
        """Let another worker have the mission."""
        leases = rigs[0].database.leases
        await leases.release(ctx.mission_id, 1)
        assert await leases.claim(ctx.mission_id, "another") == 2
        return "It is another's now."

    script = say(Turn(calls=(Call("hand_over", {}),)), then="Done.")
    async with rig(tmp_path, script, tools=[hand_over]) as r:
        rigs.append(r)
        ended = await r.run()
        assert [held.epoch for held in await r.database.leases.heartbeat("another")] == [2]
    assert ended.types[-1] == "tool.called"


async def test_a_mission_with_events_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    async with rig(tmp_path, say(Turn(text="Done."))) as r:
        mission_id = await r.submit()
        with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as connection:
            connection.execute(
                "UPDATE events SET type = 'dream.dreamt', body = '{\"type\": \"dream.dreamt\"}'"
                " WHERE seq = 2"
            )
            connection.commit()
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    assert ended.types == ["mission.created", "dream.dreamt"]
