"""What every backend does with a run: one suite for our loop and for the real OpenCode."""

import pytest

from open_agent.core.ids import new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome
from open_agent.events.fold import fold
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.run import RunFinished
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.models.encoding import Conversation
from open_agent.scripted.checks import read_request
from open_agent.scripted.faults import Refusal
from open_agent.scripted.script import Asked, Tokens, Turn
from tests.conformance.backends.conftest import Open
from tests.conformance.backends.rig import Rig, command, reading, results, said, writing
from tests.running import gone, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def check_log(rig: Rig, events: list[object]) -> None:
    """Every call is asked for, begun and answered once; every model call is answered once."""
    asked = [call.call_id for e in events if isinstance(e, ModelAnswered) for call in e.tool_calls]
    called = [e.call_id for e in events if isinstance(e, ToolCalled) and e.within is None]
    returned = [e.call_id for e in events if isinstance(e, ToolReturned) and e.within is None]
    assert len(set(called)) == len(called)
    assert sorted(asked) == sorted(returned)
    assert set(called) <= set(asked)
    calls = [e for e in events if isinstance(e, ModelAsked)]
    ends = [e for e in events if isinstance(e, ModelAnswered | ModelFailed) and e.within is None]
    assert len(calls) == len(ends)


async def test_a_run_is_shown_with_all_it_says_and_does(on_backend: Open):
    def script(asked: Asked) -> Turn:
        if asked.turn == 0:
            calls = (command(asked, "echo hello; exit 3"), writing(asked, "a.txt", "x\ny\n"))
            return Turn(reasoning="Let me see.", text="I look.", calls=calls)
        if asked.turn == 1:
            return Turn(calls=(reading(asked, "a.txt"),))
        return Turn(text="All done.", tokens=Tokens(input=40, output=7))

    async with on_backend(script) as rig:
        ended = await rig.run("Do it.")
        first, second, third = ended.events(ModelAnswered)
        called, returned = ended.events(ToolCalled), ended.events(ToolReturned)
        check_log(rig, [record.event for record in ended.records])

    assert (first.reasoning, first.text) == ("Let me see.", "I look.")
    assert [len(answer.tool_calls) for answer in (first, second, third)] == [2, 1, 0]
    assert "hello" in str(called[0].arguments)
    by_id = {event.call_id: event for event in returned}
    ran, wrote = (by_id[call.call_id] for call in first.tool_calls)
    assert (ran.exit_code, ran.outcome) == (3, "ok")
    assert "hello" in ran.content
    assert "+x\n+y" in (wrote.diff or "")
    assert "x" in by_id[second.tool_calls[0].call_id].content
    assert {event.effect for event in called} == {"execute", "write", "read"}
    assert all(event.duration_ms >= 0 for event in returned)
    assert third.usage.input_tokens == 40
    assert third.usage.output_tokens == 7
    assert ended.end.outcome is Outcome.SUCCEEDED
    assert (ended.end.result, ended.end.reason, ended.end.steps) == ("All done.", "done", 3)
    assert ended.end.cost_microdollars > 0
    assert ended.end.usage.input_tokens == 240


async def test_a_second_run_knows_the_first(on_backend: Open):
    def script(asked: Asked) -> Turn:
        if "And then?" in said(asked):
            return Turn(text="SEEN" if "The answer is 42." in str(asked.messages) else "LOST")
        return Turn(text="The answer is 42.")

    async with on_backend(script) as rig:
        mission_id = await rig.submit("What is it?", kind=MissionKind.MISSION)
        await rig.work(mission_id)
        await rig.say(mission_id, "And then?", "queue")
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)

    assert [end.result for end in ended.events(RunFinished)] == ["The answer is 42.", "SEEN"]


async def test_a_steering_message_is_seen_within_the_run(on_backend: Open):
    def script(asked: Asked) -> Turn:
        if "Also this." in said(asked):
            return Turn(text="STEERED")
        if results(asked):
            return Turn(text="MISSED")
        return Turn(calls=(command(asked, "while [ ! -e go ]; do sleep 0.05; done"),))

    async with on_backend(script) as rig:
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        async with rig.working(mission_id):
            await rig.until(
                mission_id, lambda events: any(isinstance(e, ToolCalled) for e in events)
            )
            await rig.say(mission_id, "Also this.", "steer")
            await rig.until(
                mission_id,
                lambda events: (
                    rig.kind == "native"
                    or any(e.type == "backend.prompted" and e.cause == "steer" for e in events)
                ),
            )
            (rig.workspace / "go").touch()
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "STEERED"
    assert not ended.state.pending


async def test_a_queued_message_is_the_next_run(on_backend: Open):
    def script(asked: Asked) -> Turn:
        if "Next." in said(asked):
            return Turn(text="Second.")
        return Turn(text="First.") if results(asked) else Turn(calls=(command(asked, "sleep 0.5"),))

    async with on_backend(script) as rig:
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        async with rig.working(mission_id):
            await rig.until(
                mission_id, lambda events: any(isinstance(e, ToolCalled) for e in events)
            )
            await rig.say(mission_id, "Next.", "queue")
        ended = await rig.look_at(mission_id)

    assert [end.result for end in ended.events(RunFinished)] == ["First.", "Second."]


async def test_a_cancel_ends_the_run_and_its_processes(on_backend: Open, tmp_path: object):
    mark = f"sleep 7777.{abs(hash(str(tmp_path))) % 10**6}"

    def script(asked: Asked) -> Turn:
        return Turn(calls=(command(asked, f"setsid {mark} & {mark}"),))

    async with on_backend(script) as rig:
        mission_id = await rig.submit()
        async with rig.working(mission_id):
            await rig.until(
                mission_id, lambda events: any(isinstance(e, ToolCalled) for e in events)
            )
            await started(mark, 2)
            await rig.cancel(mission_id)
        await gone(mark, seconds=10)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.CANCELLED, "user")
    [returned] = ended.events(ToolReturned)
    assert returned.outcome == "cancelled"


async def test_an_interrupting_message_is_carried_out_at_once(on_backend: Open):
    def script(asked: Asked) -> Turn:
        if "Stop that." in said(asked):
            return Turn(text="Stopped.")
        return Turn(calls=(command(asked, "sleep 60"),))

    async with on_backend(script) as rig:
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        async with rig.working(mission_id):
            await rig.until(
                mission_id, lambda events: any(isinstance(e, ToolCalled) for e in events)
            )
            await rig.say(mission_id, "Stop that.", "interrupt")
        ended = await rig.look_at(mission_id)

    first, second = ended.events(RunFinished)
    assert (first.outcome, first.reason) == (Outcome.CANCELLED, "interrupted")
    assert second.result == "Stopped."


async def test_a_run_ends_at_its_limit_of_steps(on_backend: Open):
    def script(asked: Asked) -> Turn:
        return Turn(calls=(command(asked, f"echo {asked.turn}"),))

    async with on_backend(script) as rig:
        ended = await rig.run(steps=3)
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.EXHAUSTED, "steps")
    assert ended.end.steps == 3


async def test_a_run_ends_when_its_budget_is_spent(on_backend: Open):
    def script(asked: Asked) -> Turn:
        used = Tokens(input=30_000, output=100)
        return Turn(calls=(command(asked, f"echo {asked.turn}"),), tokens=used)

    async with on_backend(script) as rig:
        ended = await rig.run(budget_microdollars=70_000)
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.EXHAUSTED, "budget")
    assert ended.end.steps < 5


async def test_a_run_ends_at_its_time(on_backend: Open):
    def script(asked: Asked) -> Turn:
        return Turn(calls=(command(asked, f"echo {asked.turn}; sleep 0.3"),))

    async with on_backend(script) as rig:
        ended = await rig.run(wall_seconds=3)

    assert (ended.end.outcome, ended.end.reason) == (Outcome.EXHAUSTED, "time")


async def test_the_same_call_again_and_again_ends_the_run(on_backend: Open):
    def script(asked: Asked) -> Turn:
        return Turn(calls=(command(asked, "echo same"),))

    async with on_backend(script) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "repeating")
    assert "notice.given" in ended.types


async def test_a_refusal_by_the_provider_ends_the_run_by_name(on_backend: Open):
    def script(asked: Asked) -> Turn:
        return Turn(fault=Refusal(401, "no such key"))

    async with on_backend(script) as rig:
        ended = await rig.run()
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "provider.unauthorized")
    assert ended.events(ModelFailed)[-1].code == "provider.unauthorized"


async def test_a_call_that_failed_is_made_again(on_backend: Open):
    def script(asked: Asked) -> Turn:
        return Turn(text="Fine.", fault=Refusal(503), fault_attempts=1)

    async with on_backend(script) as rig:
        mission_id = await rig.submit()
        await rig.work(mission_id)
        while (await rig.look_at(mission_id)).state.run is not None:
            await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "Fine."
    [failed] = ended.events(ModelFailed)
    assert failed.is_retryable
    assert failed.retry_at is not None
    assert [asked.attempt for asked in ended.events(ModelAsked)] == [1, 2]


async def test_what_a_run_leaves_is_a_valid_history_for_our_own_loop(on_backend: Open):
    def script(asked: Asked) -> Turn:
        if asked.turn == 0:
            return Turn(text="Two.", calls=(command(asked, "echo 1"), command(asked, "echo 2")))
        return Turn(text="Done.")

    async with on_backend(script) as rig:
        ended = await rig.run()
    conversation = Conversation()
    for record in ended.records:
        conversation.apply(record)
    request, problems = read_request(conversation.encode_request("test/model", 100).body)

    assert not problems
    assert request is not None
    assert [m["role"] for m in request["messages"]] == [
        *("user", "assistant", "tool", "tool", "assistant")
    ]


async def test_a_log_folds_in_two_parts_as_at_once(on_backend: Open):
    def script(asked: Asked) -> Turn:
        if asked.turn < 2:
            return Turn(text="More.", calls=(command(asked, f"echo {asked.turn}"),))
        return Turn(text="Done.")

    async with on_backend(script) as rig:
        ended = await rig.run(f"Do {new_uuid()}.")
        assert await rig.database.upkeep.rebuilt() == await rig.database.upkeep.stored()

    for place in range(len(ended.records) + 1):
        before = fold(ended.records[:place])
        assert fold(ended.records[place:], before) == ended.state
