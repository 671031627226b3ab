"""Calls that wait for a person, and calls that the rules forbid."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.agent.policy import Rule
from open_agent.core.errors import Conflict, NotFound
from open_agent.core.ids import CallId, MissionId, UserId
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import Outcome, RunState
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.mission import MissionStatusChanged
from open_agent.events.model.run import RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.scripted.script import Asked, Call, Turn, say
from open_agent.tools.complete_mission import complete_mission
from open_agent.tools.ui_option_list import ui_optionList
from open_agent.tools.update_plan import update_plan
from tests.interaction.agent.rig import Rig, look, note, rig

OPTIONS = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]
WHICH = Call("ui_optionList", {"title": "Which?", "options": OPTIONS, "selectionMode": "single"})
ASKING = Turn(calls=(WHICH,))
TOOLS: Any = {"tools": (ui_optionList, look, note, update_plan, complete_mission)}
NOTES_ASK = (Rule("ask", tool="note"),)


async def parked(r: Rig, kind: MissionKind = MissionKind.MISSION) -> tuple[MissionId, str]:
    """A new mission that waits for a person, and the call that does."""
    mission_id = await r.submit(kind=kind)
    await r.work(mission_id)
    mission = await r.database.missions.get_for_system(mission_id)
    assert mission.run_state is RunState.WAITING
    (question,) = mission.questions
    return mission_id, question.call_id


async def test_a_question_parks_the_run_and_its_answer_is_the_result(tmp_path: Path):
    async with rig(tmp_path, say(ASKING, then="Thanks."), **TOOLS) as r:
        mission_id, call_id = await parked(r)
        mission = await r.database.missions.get_for_system(mission_id)
        assert mission.reason == "waiting_for_tool"
        await r.answer(mission_id, call_id, "b")
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    begin = ended.types.index("tool.called")
    assert ended.types[begin:] == [
        "tool.called",
        "answer.requested",
        "run.waiting",
        "answer.given",
        "tool.returned",
        "model.asked",
        "model.answered",
        "run.finished",
    ]
    [called], [asked] = ended.events(ToolCalled), ended.events(AnswerRequested)
    assert (called.effect, called.arguments) == ("ask", WHICH.arguments)
    assert (asked.kind, asked.arguments, asked.default) == ("input", WHICH.arguments, None)
    [returned] = ended.events(ToolReturned)
    assert (returned.outcome, returned.content) == ("ok", '"b"')
    assert ended.end.result == "Thanks."


async def test_only_the_first_answer_counts(tmp_path: Path):
    async with rig(tmp_path, say(ASKING, then="Thanks."), **TOOLS) as r:
        mission_id, call_id = await parked(r)
        await r.answer(mission_id, call_id, "a")
        with pytest.raises(Conflict):
            await say_again(r, mission_id, call_id)
        with pytest.raises(NotFound):
            await r.answer(mission_id, "nonsense", "a")
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    assert ended.events(ToolReturned)[0].content == '"a"'


async def say_again(r: Rig, mission_id: MissionId, call_id: str) -> None:
    """Answer under another key than the first time."""
    given = AnswerGiven(call_id=CallId(call_id), answer="b", by=UserId("default"))
    await r.database.log.append_external(mission_id, given, key="again", owner=UserId("default"))


async def test_without_an_answer_the_default_is_taken_and_said(tmp_path: Path):
    script = say(ASKING, then="I chose.")
    async with rig(tmp_path, script, answer_for=timedelta(seconds=0.05), **TOOLS) as r:
        mission_id, _ = await parked(r)
        with anyio.fail_after(4):
            while (await r.database.missions.get_for_system(mission_id)).outcome is None:
                await r.work(mission_id)
        ended = await r.look_at(mission_id)
    assert len(ended.events(AnswerDefaulted)) == 1
    [returned] = ended.events(ToolReturned)
    assert returned.content.startswith("Nobody answered in time, so the default was taken: null.")
    assert ended.end.outcome is Outcome.SUCCEEDED


async def test_a_question_lasts_no_longer_than_its_run(tmp_path: Path):
    async with rig(tmp_path, say(ASKING), **TOOLS) as r:
        mission_id, _ = await parked(r)
        ended = await r.look_at(mission_id)
    run = ended.state.run
    assert run is not None
    [waiting] = ended.events(RunWaiting)
    assert waiting.until <= run.started_at + timedelta(seconds=run.limits.wall_seconds)


async def test_a_question_survives_a_restart(tmp_path: Path):
    script = say(ASKING, then="Thanks.")
    async with rig(tmp_path, script, **TOOLS) as r:
        mission_id, call_id = await parked(r)
    async with rig(tmp_path, script, **TOOLS) as r:
        await r.work(mission_id)
        await r.answer(mission_id, call_id, "a")
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    assert "run.recovered" not in ended.types
    assert [e.outcome for e in ended.events(ToolReturned)] == ["ok"]


async def test_a_cancel_ends_a_run_that_waits_for_a_person(tmp_path: Path):
    async with rig(tmp_path, say(ASKING), **TOOLS) as r:
        mission_id, call_id = await parked(r)
        await r.cancel(mission_id)
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
        with pytest.raises(NotFound):
            await r.answer(mission_id, call_id, "a")
    assert ended.end.outcome is Outcome.CANCELLED
    [returned] = ended.events(ToolReturned)
    assert returned.content == "Nobody had answered when the run was cancelled."


async def test_a_message_that_steers_is_seen_after_the_answer(tmp_path: Path):
    heard: list[Any] = []

    def script(asked: Asked) -> Turn:
        heard.append(asked.messages[-1]["content"])
        return ASKING if len(heard) == 1 else Turn(text="Thanks.")

    async with rig(tmp_path, script, **TOOLS) as r:
        mission_id, call_id = await parked(r)
        await r.say(mission_id, "Hurry.", "steer")
        await r.work(mission_id)
        mission = await r.database.missions.get_for_system(mission_id)
        assert mission.run_state is RunState.WAITING
        await r.answer(mission_id, call_id, "a")
        await r.work(mission_id)
    assert heard == ["Do it.", "Hurry."]


async def test_calls_behind_a_question_wait_in_their_order(tmp_path: Path):
    calls = (Call("look", {"name": "1"}), WHICH, Call("note", {"text": "2"}), Call("look", {}))
    async with rig(tmp_path, say(Turn(calls=calls), then="Done."), **TOOLS) as r:
        mission_id, call_id = await parked(r)
        assert len((await r.look_at(mission_id)).events(ToolReturned)) == 1
        assert not (r.workspace / "notes.txt").exists()
        await r.answer(mission_id, call_id, "a")
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    names = [e.name for e in ended.events(ToolReturned)]
    assert names == ["look", "ui_optionList", "note", "look"]


async def test_a_call_that_a_rule_forbids_is_not_made_and_the_model_is_told_which(tmp_path: Path):
    rules = (Rule("deny", tool="note"),)
    script = say(
        Turn(calls=(Call("note", {"text": "x"}), Call("look", {"name": "it"}))), then="Ok."
    )
    async with rig(tmp_path, script, policy=rules, **TOOLS) as r:
        ended = await r.run()
        assert not (r.workspace / "notes.txt").exists()
    denied, looked = ended.events(ToolReturned)
    assert (denied.outcome, looked.outcome) == ("denied", "ok")
    assert "deny tool `note`" in denied.content
    assert [e.name for e in ended.events(ToolCalled)] == ["look"]
    assert ended.end.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("answer", "outcome"), [("allow", "ok"), ("deny", "denied"), ("nonsense", "denied")]
)
async def test_a_call_is_made_once_somebody_allows_it(tmp_path: Path, answer: str, outcome: str):
    script = say(Turn(calls=(Call("note", {"text": "x"}),)), then="Done.")
    async with rig(tmp_path, script, policy=NOTES_ASK, **TOOLS) as r:
        mission_id, call_id = await parked(r, MissionKind.TASK)
        assert not (r.workspace / "notes.txt").exists()
        mission = await r.database.missions.get_for_system(mission_id)
        assert mission.reason == "waiting_for_approval"
        await r.answer(mission_id, call_id, answer)
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
        assert (r.workspace / "notes.txt").exists() is (outcome == "ok")
    [asked] = ended.events(AnswerRequested)
    assert (asked.kind, asked.reason, asked.default) == ("approval", "ask tool `note`", "deny")
    assert asked.arguments == {"text": "x"}
    assert [e.outcome for e in ended.events(ToolReturned)] == [outcome]
    assert len(ended.events(ToolCalled)) == (outcome == "ok")


async def test_what_nobody_allows_in_time_is_not_done(tmp_path: Path):
    script = say(Turn(calls=(Call("note", {"text": "x"}),)), then="Done.")
    options: Any = {"answer_for": timedelta(seconds=0.05), "policy": NOTES_ASK, **TOOLS}
    async with rig(tmp_path, script, **options) as r:
        mission_id = await r.submit(kind=MissionKind.MISSION)
        with anyio.fail_after(8):
            while (await r.database.missions.get_for_system(mission_id)).outcome is None:
                await r.work(mission_id)
        ended = await r.look_at(mission_id)
        assert not (r.workspace / "notes.txt").exists()
    assert len(ended.events(AnswerRequested)) == 1
    [returned] = ended.events(ToolReturned)
    assert returned.outcome == "denied"
    assert returned.content.startswith("Not allowed: nobody said in time")


async def test_calls_that_read_are_asked_about_one_by_one_where_a_rule_says_so(tmp_path: Path):
    calls = (Call("look", {"name": "1"}), Call("look", {"name": "2"}))
    rules = (Rule("ask", effect="read"),)
    async with rig(tmp_path, say(Turn(calls=calls), then="Done."), policy=rules, **TOOLS) as r:
        mission_id, first = await parked(r)
        assert not (await r.look_at(mission_id)).events(ToolCalled)
        await r.answer(mission_id, first, "allow")
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
        assert [e.content for e in ended.events(ToolReturned)] == ["1 looks fine"]
        [second] = ended.events(AnswerRequested)[1:]
        await r.answer(mission_id, second.call_id, "deny")
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    assert [e.outcome for e in ended.events(ToolReturned)] == ["ok", "denied"]


async def test_whoever_allows_a_call_sees_all_of_it(tmp_path: Path):
    text = "x" * 15_000
    script = say(Turn(calls=(Call("note", {"text": text}),)))
    async with rig(tmp_path, script, policy=NOTES_ASK, **TOOLS) as r:
        mission_id, _ = await parked(r)
        [asked] = (await r.look_at(mission_id)).events(AnswerRequested)
    assert asked.arguments == {"text": text}


async def test_asking_a_person_needs_no_approval(tmp_path: Path):
    async with rig(tmp_path, say(ASKING), policy=(Rule("ask"),), **TOOLS) as r:
        mission_id, _ = await parked(r)
        ended = await r.look_at(mission_id)
    assert [e.kind for e in ended.events(AnswerRequested)] == ["input"]


async def test_the_agent_closes_its_mission_and_its_run_ends_by_itself(tmp_path: Path):
    closing = Call("complete_mission", {"status": "completed", "summary": "All is done."})
    async with rig(tmp_path, say(Turn(calls=(closing,)), then="Goodbye."), **TOOLS) as r:
        mission_id = await r.submit(kind=MissionKind.MISSION)
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
        mission = await r.database.missions.get_for_system(mission_id)
    [changed] = ended.events(MissionStatusChanged)
    assert (changed.status, changed.by) == (MissionStatus.COMPLETED, "agent")
    place = ended.types.index("mission.status_changed")
    assert ended.types[place + 1] == "tool.returned"
    assert (mission.status, mission.summary) == (MissionStatus.COMPLETED, "All is done.")
    assert ended.end.result == "Goodbye."


async def test_a_plan_is_on_the_log_as_it_was_given(tmp_path: Path):
    items = [{"content": "x" * 200, "state": "pending"}] * 50
    plan = Call("update_plan", {"items": items})
    async with rig(tmp_path, say(Turn(calls=(plan, plan)), then="Done."), **TOOLS) as r:
        ended = await r.run()
    assert [e.arguments for e in ended.events(ToolCalled)] == [{"items": items}] * 2
