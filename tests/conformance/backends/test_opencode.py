"""What only OpenCode has: sessions, subagents, its own asks and questions, and its ways to fail."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.agent.policy import Rule
from open_agent.backends.opencode.backend import Handling
from open_agent.backends.opencode.bounds import Bounds
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome
from open_agent.events.model.answer import AnswerDefaulted, AnswerRequested
from open_agent.events.model.backend import BackendNoted, BackendPrompted, FilesChanged
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.run import RunFinished, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.scripted.faults import Empty, Refusal, Silence
from open_agent.scripted.script import Asked, Call, Tokens, Turn, always
from open_agent.services.control.tree import Part, Work, progress_of, tree_of
from tests.conformance.backends.conftest import Open
from tests.conformance.backends.rig import command, results, said, writing
from tests.conformance.backends.test_runs import check_log

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

QUESTION = {
    "question": "Which database?",
    "header": "Database",
    "options": [
        {"label": "SQLite", "description": "One file"},
        {"label": "PostgreSQL", "description": "A server"},
    ],
}


def is_subagent(asked: Asked) -> bool:
    """Whether a subagent asks, by what it was told."""
    return "PART" in said(asked)


def delegating(asked: Asked, then: str = "All done.") -> Turn:
    """Has a subagent do a part, which runs a command."""
    if is_subagent(asked):
        if results(asked):
            return Turn(text="The part is done.")
        return Turn(reasoning="Hm.", calls=(command(asked, "echo inner"),))
    if results(asked):
        return Turn(text=then)
    wanted = {"description": "Do a part", "prompt": "PART", "subagent_type": "general"}
    return Turn(calls=(Call("task", wanted),))


async def tree_on(rig: Any, mission_id: Any) -> Any:
    """The tree of a mission, as its log has it."""
    work = Work()
    for record in await rig.database.log.read(mission_id):
        work.apply(record)
    return tree_of(Part(await rig.database.missions.get_for_system(mission_id), work))


async def test_what_a_subagent_does_is_on_the_log_and_in_the_tree(on_opencode: Open):
    async with on_opencode(delegating) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])
        tree = await tree_on(rig, ended.mission_id)

    task, inner = ended.events(ToolCalled)
    assert (task.name, task.effect, task.within) == ("task", "delegate", None)
    assert (inner.name, inner.within) == ("bash", task.call_id)
    answers = [e for e in ended.events(ModelAnswered) if e.purpose == "subagent"]
    assert [(e.text, e.reasoning, e.within) for e in answers] == [
        ("", "Hm.", task.call_id),
        ("The part is done.", "", task.call_id),
    ]
    assert [e.call_id for e in ended.events(ToolReturned)] == [inner.call_id, task.call_id]
    assert ended.end.steps == 2
    assert ended.end.usage.input_tokens == 400
    [node] = tree.children
    assert (node.type, node.name, node.description) == ("Subagent", "Do a part", "PART")
    assert node.status == "completed"
    assert node.budget_spent == 1


async def test_its_plan_is_the_missions_plan(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        if results(asked):
            return Turn(text="Done.")
        todos = [
            {"content": "Look", "status": "completed", "priority": "high"},
            {"content": "Change", "status": "in_progress", "priority": "high"},
            {"content": "Test", "status": "pending", "priority": "low"},
        ]
        return Turn(calls=(Call("todowrite", {"todos": todos}),))

    async with on_opencode(script) as rig:
        ended = await rig.run()
        tree = await tree_on(rig, ended.mission_id)

    assert [(n.type, n.name, n.status) for n in tree.children] == [
        ("Todo", "Look", "completed"),
        ("Todo", "Change", "pending"),
        ("Todo", "Test", "pending"),
    ]
    assert progress_of(tree).completed == 1


@pytest.mark.parametrize("is_repository", [True, False])
async def test_files_that_were_changed_are_listed(on_opencode: Open, is_repository: bool):
    def script(asked: Asked) -> Turn:
        if results(asked):
            return Turn(text="Done.")
        return Turn(calls=(writing(asked, "new.txt", "a\nb\n"),))

    async with on_opencode(script) as rig:
        if is_repository:
            await anyio.run_process(["git", "init", "-q", str(rig.workspace)])
        ended = await rig.run()

    [changed] = ended.events(FilesChanged)
    [file] = changed.files
    assert (file.path, file.additions, file.deletions, file.status) == ("new.txt", 2, 0, "added")
    assert ended.types[-2:] == ["files.changed", "run.finished"]


@pytest.mark.parametrize("answer", ["allow", "deny"])
async def test_a_rule_that_asks_holds_in_permissive_mode_too(on_opencode: Open, answer: str):
    def script(asked: Asked) -> Turn:
        if results(asked):
            return Turn(text="Done.")
        calls = (command(asked, "echo fine"), command(asked, "rm -f gone"))
        return Turn(calls=calls)

    rules = (Rule("ask", command="rm *"),)
    handling = Handling(bounds=Bounds(person=timedelta()))
    async with on_opencode(script, policy=rules, handling=handling) as rig:
        mission_id = await rig.submit()
        await rig.work(mission_id)
        parked = await rig.look_at(mission_id)
        [question] = parked.events(AnswerRequested)
        assert parked.state.run is not None
        await rig.answer(mission_id, question.call_id, answer)
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert (question.kind, question.name) == ("approval", "bash")
    assert question.arguments["command"] == "rm -f gone"
    assert question.reason == "ask command `rm *`"
    assert parked.events(RunWaiting)[-1].reason == "waiting_for_approval"
    outcomes = {event.call_id: event.outcome for event in ended.events(ToolReturned)}
    assert outcomes.pop(question.call_id) == ("ok" if answer == "allow" else "denied")
    assert list(outcomes.values()) == ["ok"]
    assert ended.end.result == "Done."


async def test_a_rule_that_forbids_holds_and_the_model_goes_on(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        if results(asked):
            return Turn(text=results(asked)[-1])
        return Turn(calls=(writing(asked, "a.txt", "x"),))

    async with on_opencode(script, policy=(Rule("deny", tool="write_file"),)) as rig:
        ended = await rig.run()
        assert not (rig.workspace / "a.txt").exists()

    assert [event.outcome for event in ended.events(ToolReturned)] == ["denied"]
    assert "forbids the call (deny tool `write_file`)" in ended.end.result


async def test_what_opencode_asks_is_asked_and_refused_when_nobody_answers(on_asking: Open):
    def script(asked: Asked) -> Turn:
        if results(asked):
            return Turn(text=results(asked)[-1])
        return Turn(calls=(Call("read", {"filePath": "/etc/hostname"}),))

    async with on_asking(script, answer_for=timedelta(seconds=2)) as rig:
        mission_id = await rig.submit()
        await rig.work(mission_id)
        with anyio.fail_after(60):
            while (await rig.look_at(mission_id)).state.run is not None:
                await rig.work(mission_id)
        ended = await rig.look_at(mission_id)

    assert len(ended.events(AnswerDefaulted)) == 1
    assert [event.outcome for event in ended.events(ToolReturned)] == ["denied"]
    assert "nobody said in time" in ended.end.result


async def test_what_a_subagent_asks_is_asked(on_asking: Open):
    def script(asked: Asked) -> Turn:
        if is_subagent(asked) and not results(asked):
            return Turn(calls=(Call("read", {"filePath": "/etc/hostname"}),))
        return delegating(asked)

    async with on_asking(script) as rig:
        mission_id = await rig.submit()
        await rig.work(mission_id)
        [question] = (await rig.look_at(mission_id)).events(AnswerRequested)
        await rig.answer(mission_id, question.call_id, "allow")
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    task, inner = ended.events(ToolCalled)
    assert (question.call_id, inner.within) == (inner.call_id, task.call_id)
    assert [event.outcome for event in ended.events(ToolReturned)] == ["ok", "ok"]
    assert ended.end.result == "All done."


@pytest.mark.parametrize(("answer", "told"), [("PostgreSQL", "PostgreSQL"), (None, "none of")])
async def test_a_question_is_asked_and_answered(on_asking: Open, answer: str | None, told: str):
    def script(asked: Asked) -> Turn:
        if results(asked):
            return Turn(text=results(asked)[-1])
        return Turn(calls=(Call("question", {"questions": [QUESTION]}),))

    async with on_asking(script) as rig:
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        await rig.work(mission_id)
        [question] = (await rig.look_at(mission_id)).events(AnswerRequested)
        await rig.answer(mission_id, question.call_id, answer)
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)

    assert (question.kind, question.name) == ("input", "question")
    assert question.arguments == {
        "title": "Which database?",
        "options": [
            {"id": "SQLite", "label": "SQLite", "description": "One file"},
            {"id": "PostgreSQL", "label": "PostgreSQL", "description": "A server"},
        ],
        "selectionMode": "single",
    }
    assert told in ended.end.result


async def test_a_session_that_is_gone_is_replaced_and_told_what_was_said(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        if "And then?" in said(asked):
            return Turn(text="SEEN" if "The answer is 42." in said(asked) else "LOST")
        return Turn(text="The answer is 42.")

    async with on_opencode(script) as rig:
        mission_id = await rig.submit("What is it?", kind=MissionKind.MISSION)
        await rig.work(mission_id)
        [prompt] = (await rig.look_at(mission_id)).events(BackendPrompted)
        assert rig.server is not None
        await (await rig.server.client()).delete_session(prompt.session_id)
        await rig.say(mission_id, "And then?", "queue")
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)

    assert [note.kind for note in ended.events(BackendNoted)] == ["session.lost"]
    assert [end.result for end in ended.events(RunFinished)] == ["The answer is 42.", "SEEN"]
    first, second = ended.events(BackendPrompted)
    assert first.session_id != second.session_id


async def test_a_model_that_sends_nothing_again_and_again_ends_the_run(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        return Turn(fault=Empty())

    async with on_opencode(script) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "empty_reply")
    assert len(ended.events(ModelAnswered)) < 10


async def test_a_retry_that_is_an_hour_off_ends_the_run(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        return Turn(fault=Refusal(429, "rate limit reached", retry_after="3600"))

    async with on_opencode(script) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "provider.rate_limited")
    failed = ended.events(ModelFailed)[0]
    assert failed.retry_at is not None
    assert ended.end.duration_seconds < 120


async def test_a_silent_model_ends_the_run(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        return Turn(text="Some of it.", fault=Silence(after=1))

    async with on_opencode(script, bounds=Bounds(silence=timedelta(seconds=4))) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "provider.silent")


async def test_an_empty_last_word_is_prodded(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        return Turn(text="Here it is.") if "Your last reply was empty" in said(asked) else Turn()

    async with on_opencode(script) as rig:
        ended = await rig.run()

    assert ended.end.result == "Here it is."
    assert [prompt.cause for prompt in ended.events(BackendPrompted)] == ["start", "notice"]


async def test_an_unknown_model_is_refused_by_name(on_opencode: Open):
    async with on_opencode(always("?")) as rig:
        ended = await rig.run(model="no/such-model")

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "model.unknown")


async def test_an_agent_that_opencode_does_not_have_ends_the_run_by_name(on_opencode: Open):
    async with on_opencode(always("?"), handling=Handling(agent="nobody")) as rig:
        ended = await rig.run()

    assert ended.end.outcome is Outcome.FAILED
    assert "nobody" in ended.end.result
    assert not ended.events(ModelAsked)


async def test_an_agent_that_opencode_has_does_the_work(on_opencode: Open):
    async with on_opencode(always("Planned."), handling=Handling(agent="plan")) as rig:
        ended = await rig.run()

    assert (ended.end.outcome, ended.end.result) == (Outcome.SUCCEEDED, "Planned.")


async def test_live_text_and_output_reach_those_who_watch(on_opencode: Open, tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if results(asked):
            return Turn(text="Done.")
        line = "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two"
        return Turn(text="I look at it.", reasoning="Hm.", calls=(command(asked, line),))

    seen: dict[str, str] = {}
    async with on_opencode(script) as rig:
        mission_id = await rig.submit()
        with anyio.fail_after(90), rig.feed.watch(mission_id) as watch:
            async with rig.working(mission_id):
                while not {"text", "reasoning", "output"} <= set(seen):
                    await watch.changed(0.2)
                    for delta in watch.deltas():
                        seen[delta.kind] = seen.get(delta.kind, "") + delta.content
                (rig.workspace / "go").touch()

    assert seen["text"].startswith("I look")
    assert seen["reasoning"] == "Hm."
    assert seen["output"].startswith("one")


async def test_an_opencode_that_shortens_its_history_says_so(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        if not asked.body.get("tools"):
            return Turn(text="SUMMARY of it.")
        if "SUMMARY of it." in str(asked.messages):
            return Turn(text="Done.")
        return Turn(calls=(command(asked, "echo hi"),), tokens=Tokens(input=10**6))

    async with on_opencode(script) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "Done."
    purposes = [answer.purpose for answer in ended.events(ModelAnswered)]
    assert purposes == ["step", "compaction", "step"]
    assert [note.kind for note in ended.events(BackendNoted)] == ["session.compacted"]
    assert ended.end.steps == 2


async def test_a_subagent_that_does_the_same_again_and_again_is_ended(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        if is_subagent(asked):
            return Turn(calls=(command(asked, "echo same"),))
        return delegating(asked)

    async with on_opencode(script) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "repeating")
    assert ended.end.usage.input_tokens < 2_000


async def test_a_session_is_held_to_rules_that_came_later(on_opencode: Open, tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if "Now." in said(asked) and not results(asked):
            return Turn(calls=(writing(asked, "a.txt", "x"),))
        return Turn(text=results(asked)[-1] if results(asked) else "Ready.")

    async with on_opencode(script) as rig:
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        await rig.work(mission_id)
    async with on_opencode(script, policy=(Rule("deny", tool="write_file"),)) as rig:
        await rig.say(mission_id, "Now.", "queue")
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        assert not (rig.workspace / "a.txt").exists()

    assert [event.outcome for event in ended.events(ToolReturned)] == ["denied"]
    assert len({prompt.session_id for prompt in ended.events(BackendPrompted)}) == 1
