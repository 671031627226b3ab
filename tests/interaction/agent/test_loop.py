from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.agent.view import load_view
from open_agent.core.run import Outcome
from open_agent.events.fold import MissionState, fold
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.models.deadlines import Deadlines
from open_agent.models.encoding import Conversation
from open_agent.scripted.faults import Cut, Fault, KeepAlives, Refusal, WebPage
from open_agent.scripted.script import Asked, Call, Style, Tokens, Turn, say
from tests.interaction.agent.rig import Ended, Rig, Window, hanging, rig
from tests.running import gone, started

SHORT = Deadlines(
    first_token=timedelta(seconds=0.3), silence=timedelta(seconds=0.3), total=timedelta(seconds=2)
)
SLOWLY = Turn(text="word " * 100, style=Style(chunk_chars=10, delay=0.02))


async def when_written(r: Rig, mission_id: Any) -> None:
    """Return once some text of the mission is being written."""
    with r.feed.watch(mission_id) as watch, anyio.fail_after(4):
        while not watch.deltas():
            await watch.changed(1)


async def when(r: Rig, mission_id: Any, type_: str) -> None:
    """Return once the mission's log has an event of a type."""
    with r.feed.watch(mission_id) as watch, anyio.fail_after(4):
        while not any(x.event.type == type_ for x in await r.database.log.read(mission_id)):
            await watch.changed(1)


async def test_a_run_asks_calls_and_ends(tmp_path: Path):
    script = say(
        Turn(text="Let me look.", calls=(Call("look", {"name": "it"}),)),
        Turn(calls=(Call("note", {"text": "seen"}),)),
        then="All done.",
    )
    async with rig(tmp_path, script) as r:
        ended = await r.run("Look at it and note it.")
    step = ["model.asked", "model.answered", "tool.called", "tool.returned"]
    assert ended.types == [
        "mission.created",
        "message.received",
        "run.started",
        *step,
        *step,
        "model.asked",
        "model.answered",
        "run.finished",
    ]
    assert (ended.end.outcome, ended.end.reason, ended.end.result, ended.end.steps) == (
        Outcome.SUCCEEDED,
        "done",
        "All done.",
        3,
    )
    assert (r.workspace / "notes.txt").read_text() == "seen\n"
    assert [e.content for e in ended.events(ToolReturned)] == ["it looks fine", "noted"]


async def test_a_reply_that_a_filter_cut_is_not_taken_for_a_result(tmp_path: Path):
    async with rig(tmp_path, say(Turn(text="First, I", finish_reason="content_filter"))) as r:
        ended = await r.run()
    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "content_filter")
    assert ended.end.result.startswith("The provider's content filter cut the model's reply")
    assert ended.end.result.endswith("\n\nFirst, I")


async def test_the_model_really_used_its_tokens_and_cost_are_on_the_record(tmp_path: Path):
    turn = Turn(
        text="Done.", tokens=Tokens(input=1000, output=50, cached=600, cost_dollars=0.0123456)
    )
    async with rig(tmp_path, say(turn)) as r:
        ended = await r.run()
        mission = await r.database.missions.get_for_system(ended.mission_id)
    [answered] = ended.events(ModelAnswered)
    assert (answered.usage.input_tokens, answered.usage.cached_tokens) == (1000, 600)
    assert (answered.cost_microdollars, answered.cost_source) == (12_346, "reported")
    assert ended.end.cost_microdollars == mission.spent_microdollars == 12_346


async def test_a_cost_that_is_not_reported_is_priced(tmp_path: Path):
    async with rig(tmp_path, say(Turn(text="Done.", tokens=Tokens(input=100, output=20)))) as r:
        ended = await r.run()
    [answered] = ended.events(ModelAnswered)
    assert (answered.cost_microdollars, answered.cost_source) == (140, "priced")


async def test_calls_that_only_read_run_side_by_side(tmp_path: Path):
    calls = tuple(Call("look", {"name": str(n)}) for n in range(5))
    async with rig(tmp_path, say(Turn(calls=calls))) as r:
        ended = await r.run()
    called = [i for i, t in enumerate(ended.types) if t == "tool.called"]
    returned = [i for i, t in enumerate(ended.types) if t == "tool.returned"]
    assert max(called) < min(returned)
    assert sorted(e.content[0] for e in ended.events(ToolReturned)) == list("01234")


async def test_calls_that_change_something_run_in_order(tmp_path: Path):
    calls = tuple(Call("note", {"text": str(n)}) for n in range(5))
    async with rig(tmp_path, say(Turn(calls=calls))) as r:
        await r.run()
    assert (r.workspace / "notes.txt").read_text().split() == list("01234")


@pytest.mark.parametrize(
    "call",
    [
        Call("lokk", {}),
        Call("", {}),
        Call("x" * 30_000, {}),
        Call("look", "this is not JSON"),
        Call("look", "[1, 2]"),
        Call("look", '{"name": ' + "[" * 10_000),
        Call("look", '{"nom": "typo"}'),
        Call("note", {}),
        Call("note", '{"text": "' + "x" * 5_000_000 + '"}'),
        Call("fail", {"why": "no"}),
        Call("crash", {}),
    ],
    ids=[
        "unknown",
        "nameless",
        "long",
        "text",
        "list",
        "deep",
        "typo",
        "missing",
        "5MB",
        "fail",
        "bug",
    ],
)
async def test_a_call_that_cannot_be_made_is_answered_and_the_run_goes_on(
    tmp_path: Path, call: Call
):
    turn = Turn(calls=(call,), style=Style(chunk_chars=100_000))
    async with rig(tmp_path, say(turn, then="I see.")) as r:
        ended = await r.run()
    [returned] = ended.events(ToolReturned)
    assert returned.outcome == "failed"
    assert returned.content
    assert ended.end.outcome is Outcome.SUCCEEDED


async def test_large_arguments_reach_the_tool_whole_and_are_kept(tmp_path: Path):
    text = "é" * 100_000
    async with rig(tmp_path, say(Turn(calls=(Call("note", {"text": text}),)))) as r:
        ended = await r.run()
        blob = ended.events(ModelAnswered)[0].tool_calls[0].arguments_blob
        assert text in (await r.database.blobs.get(ended.mission_id, blob)).decode()
    assert (r.workspace / "notes.txt").read_text() == text + "\n"


async def test_duplicate_call_ids_become_unique(tmp_path: Path):
    turn = Turn(calls=(Call("look", {"name": "a"}, "same"), Call("look", {"name": "b"}, "same")))
    async with rig(tmp_path, say(turn, turn, then="Done.")) as r:
        ended = await r.run()
    ids = [e.call_id for e in ended.events(ToolReturned)]
    assert len(set(ids)) == 4
    assert ended.end.outcome is Outcome.SUCCEEDED


async def test_empty_replies_are_told_and_end_the_run(tmp_path: Path):
    async with rig(tmp_path, say(then=Turn())) as r:
        ended = await r.run()
    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "empty_reply")
    assert [e.kind for e in ended.events(NoticeGiven)] == ["empty_reply", "empty_reply"]


async def test_the_same_call_again_and_again_ends_the_run(tmp_path: Path):
    async with rig(tmp_path, say(then=Turn(calls=(Call("look", {"name": "it"}),)))) as r:
        ended = await r.run()
    assert (ended.end.reason, ended.end.steps) == ("repeating", 5)
    assert [e.kind for e in ended.events(NoticeGiven)] == ["repeating"]


def looks(asked: Asked) -> Turn:
    """Looks at something new at every step, for ever."""
    return Turn(calls=(Call("look", {"name": str(asked.turn)}),), tokens=Tokens(cost_dollars=0.002))


async def test_steps_are_limited(tmp_path: Path):
    async with rig(tmp_path, looks) as r:
        ended = await r.run(steps=3)
    assert (ended.end.outcome, ended.end.reason, ended.end.steps) == (
        Outcome.EXHAUSTED,
        "steps",
        3,
    )


async def test_money_is_limited_and_never_exceeded(tmp_path: Path):
    async with rig(tmp_path, looks) as r:
        ended = await r.run(budget_microdollars=12_000)
    assert (ended.end.outcome, ended.end.reason) == (Outcome.EXHAUSTED, "budget")
    assert ended.end.cost_microdollars <= 12_000
    for asked in ended.events(ModelAsked):
        assert asked.reserved_microdollars <= 12_000


async def test_no_budget_is_no_limit(tmp_path: Path):
    async with rig(tmp_path, looks) as r:
        ended = await r.run(budget_microdollars=0, steps=4)
    assert ended.end.reason == "steps"


async def test_an_unknown_price_under_a_budget_is_refused_before_anything_is_spent(tmp_path: Path):
    async with rig(tmp_path, say("Done.")) as r:
        ended = await r.run(model="unknown/model")
        assert not r.model.seen
    assert (ended.end.reason, ended.end.cost_microdollars) == ("price.unknown", 0)
    assert "MODEL_PRICES" in ended.end.result


async def go_on(r: Rig, mission_id: Any) -> Ended:
    """Carry a mission on through its parks, as the engine does."""
    with anyio.fail_after(5):
        while True:
            await r.work(mission_id)
            ended = await r.look_at(mission_id)
            if ended.state.run is None:
                return ended
            waiting = ended.state.run.waiting
            assert waiting is not None
            # deliberate: the engine's part, waiting until the time that the log names
            await anyio.sleep(max(0, (waiting.until - datetime.now(UTC)).total_seconds()))


@pytest.mark.parametrize(
    "fault",
    [
        Refusal(429, retry_after="0.05"),
        Refusal(503, retry_after="0.05"),
    ],
    ids=["429", "503"],
)
async def test_a_passing_failure_is_waited_out(tmp_path: Path, fault: Fault):
    turn = Turn(text="Done.", fault=fault, fault_attempts=2)
    async with rig(tmp_path, say(turn), deadlines=SHORT) as r:
        ended = await go_on(r, await r.submit())
    assert ended.end.outcome is Outcome.SUCCEEDED
    assert [e.attempt for e in ended.events(ModelAsked)] == [1, 2, 3]
    assert {e.reason for e in ended.events(RunWaiting)} <= {"model.retry"}
    failures = ended.events(ModelFailed)
    assert [e.cost_microdollars for e in failures] == [0, 0]
    tries = [record.at for record in ended.records if isinstance(record.event, ModelAsked)]
    assert all(failed.retry_at <= at for failed, at in zip(failures, tries[1:], strict=True))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (WebPage(), "provider.not_a_stream"),
        (Cut(after=2), "provider.broken_stream"),
        (KeepAlives(), "provider.no_first_token"),
        (KeepAlives(after=3), "provider.silent"),
        (Refusal(500), "provider.error"),
    ],
    ids=["html", "cut", "keep-alives", "silence", "500"],
)
async def test_a_broken_provider_is_named_and_parks_the_run(
    tmp_path: Path, fault: Fault, code: str
):
    turn = Turn(text="Some text that comes in pieces.", fault=fault)
    async with rig(tmp_path, say(turn), deadlines=SHORT, tries=1) as r:
        mission_id = await r.submit()
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    [failed] = ended.events(ModelFailed)
    assert failed.is_retryable
    assert failed.code == code
    [waiting] = ended.events(RunWaiting)
    assert waiting.reason == "provider.unreachable"
    assert waiting.until > ended.records[-1].at + timedelta(minutes=4)


async def test_the_fallback_model_takes_over(tmp_path: Path):
    def script(asked: Asked) -> Turn:
        return Turn(text="Done.", fault=None if asked.model == "other/model" else Refusal(404))

    async with rig(tmp_path, script, fallback="other/model") as r:
        ended = await r.run()
    assert ended.end.outcome is Outcome.SUCCEEDED
    assert [e.model for e in ended.events(ModelAsked)] == ["test/model", "other/model"]


async def test_a_refused_key_ends_the_run_and_says_why(tmp_path: Path):
    async with rig(tmp_path, say(Turn(fault=Refusal(401)))) as r:
        ended = await r.run()
    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "provider.unauthorized")
    assert "key" in ended.end.result.lower()


async def test_a_cancel_ends_a_model_call_at_once(tmp_path: Path):
    async with rig(tmp_path, say(SLOWLY)) as r:
        mission_id = await r.submit()
        with anyio.fail_after(4):
            async with anyio.create_task_group() as group:
                group.start_soon(r.work, mission_id)
                await when_written(r, mission_id)
                await r.cancel(mission_id)
        ended = await r.look_at(mission_id)
    assert (ended.end.outcome, ended.end.reason) == (Outcome.CANCELLED, "user")
    [failed], [asked] = ended.events(ModelFailed), ended.events(ModelAsked)
    assert (failed.code, failed.cost_source) == ("cancelled", "reserved")
    assert failed.cost_microdollars == asked.reserved_microdollars


@pytest.mark.parametrize("after", [(), (Call("note", {"text": "never"}),)], ids=["1", "2"])
async def test_a_cancel_ends_a_running_command_and_answers_every_call(
    tmp_path: Path, after: tuple[Call, ...]
):
    turn = Turn(calls=(Call("hang"), *after))
    async with rig(tmp_path, say(turn)) as r:
        mission_id = await r.submit()
        with anyio.fail_after(4):
            async with anyio.create_task_group() as group:
                group.start_soon(r.work, mission_id)
                await when(r, mission_id, "tool.called")
                await started(hanging(r.workspace))
                await r.cancel(mission_id)
        await gone(hanging(r.workspace), seconds=2)
        ended = await r.look_at(mission_id)
    assert ended.end.outcome is Outcome.CANCELLED
    assert [e.outcome for e in ended.events(ToolReturned)] == ["cancelled"] * (1 + len(after))
    assert not (r.workspace / "notes.txt").exists()


async def test_a_cancel_before_the_start_runs_nothing(tmp_path: Path):
    async with rig(tmp_path, say("Done.")) as r:
        mission_id = await r.submit()
        await r.cancel(mission_id)
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
        assert not r.model.seen
    assert ended.end.outcome is Outcome.CANCELLED


async def test_a_steering_message_is_seen_before_the_next_model_call(tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if any("Rather that" in str(m["content"]) for m in asked.messages):
            return Turn(text="That, then.")
        return SLOWLY

    async with rig(tmp_path, script) as r:
        mission_id = await r.submit()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(r.work, mission_id)
                await when_written(r, mission_id)
                await r.say(mission_id, "Rather that.", "steer")
        ended = await r.look_at(mission_id)
    assert ended.end.result == "That, then."
    assert len(ended.events(RunStarted)) == 1


async def test_an_interrupting_message_ends_the_run_and_starts_the_next(tmp_path: Path):
    def script(asked: Asked) -> Turn:
        return Turn(text="Now that.") if "Now!" in str(asked.messages[-1]) else SLOWLY

    async with rig(tmp_path, script) as r:
        mission_id = await r.submit()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(r.work, mission_id)
                await when_written(r, mission_id)
                await r.say(mission_id, "Now!", "interrupt")
        ended = await r.look_at(mission_id)
    first, second = ended.events(RunFinished)
    assert (first.outcome, first.reason) == (Outcome.CANCELLED, "interrupted")
    assert (second.outcome, second.result) == (Outcome.SUCCEEDED, "Now that.")


async def test_a_message_waits_for_the_run_to_end_and_gets_a_run_of_its_own(tmp_path: Path):
    async with rig(tmp_path, say("First.", "Second.")) as r:
        mission_id = await r.submit()
        await r.say(mission_id, "And then this.", "queue")
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    assert [e.result for e in ended.events(RunFinished)] == ["First.", "Second."]


async def test_after_a_crash_an_effect_is_answered_unknown_and_a_read_is_done_again(
    tmp_path: Path,
):
    turn = Turn(calls=(Call("look", {"name": "it"}), Call("note", {"text": "once"})))
    async with rig(tmp_path, say(turn, then="Done.")) as r:
        mission_id = await r.submit()
        epoch = await r.database.leases.claim(mission_id, "dead")
        assert epoch is not None
        ctx = await r.worker._take_up(mission_id, epoch)  # pyright: ignore[reportPrivateUsage]
        from open_agent.agent.asking import ask_model
        from open_agent.agent.moves import AskModel, next_move
        from open_agent.agent.start import start_run

        await start_run(ctx, r.worker._defaults)  # pyright: ignore[reportPrivateUsage]
        move = next_move(ctx.view, ctx.shared.rules, ctx.now)
        assert isinstance(move, AskModel)
        await ask_model(ctx, move)
        calls = ctx.run.unanswered
        for call, effect in zip(calls, ("read", "write"), strict=True):
            called = ToolCalled.model_validate(
                {
                    "call_id": call.call.call_id,
                    "name": call.call.name,
                    "effect": effect,
                    "arguments": {},
                }
            )
            await ctx.append(called)
        await r.database.leases.release(mission_id, epoch)
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    [recovered] = ended.events(RunRecovered)
    assert recovered.unanswered == [calls[1].call.call_id]
    outcomes = {e.name: e.outcome for e in ended.events(ToolReturned)}
    assert outcomes == {"look": "ok", "note": "unknown"}
    assert not (r.workspace / "notes.txt").exists()
    assert ended.end.outcome is Outcome.SUCCEEDED


def counted(asked: Asked) -> Tokens:
    """Tokens as a provider would count them."""
    return Tokens(input=len(str(asked.messages)) // 4)


def looks_on(asked: Asked, length: int) -> Turn:
    """Looks at the next of twelve long things, by what it has seen; then it is done."""
    seen = [m["content"].split()[0] for m in asked.messages if m["role"] == "tool"]
    following = max((int(number) for number in seen), default=-1) + 1
    if following == 12:
        return Turn(text="Done.", tokens=counted(asked))
    call = Call("look", {"name": f"{following} " + "x" * length})
    return Turn(calls=(call,), tokens=counted(asked))


async def test_a_long_history_is_compacted_and_the_goal_stays(tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if asked.body.get("tool_choice") == "none":
            return Turn(text="NOTES: half of it is seen.")
        return looks_on(asked, 2_000)

    async with rig(tmp_path, script, window=Window(8_000, 500)) as r:
        ended = await r.run("The goal that must stay.")
        last = r.model.seen[-1].asked
        state, _ = await load_view(r.database.log, ended.mission_id, Conversation())
    assert ended.end.outcome is Outcome.SUCCEEDED
    compactions = ended.events(HistoryCompacted)
    assert compactions
    assert all(c.method == "summary" and c.bytes_after < c.bytes_before for c in compactions)
    assert last is not None
    texts = [str(m["content"]) for m in last.messages]
    assert any("The goal that must stay." in text for text in texts)
    assert any("NOTES: half of it is seen." in text for text in texts)
    assert state == ended.state
    for compacted in compactions:
        restored = MissionState.model_validate(compacted.state["mission"])
        restored.apply_all(x for x in ended.records[:-1] if x.seq > restored.seq)
        assert restored == fold(ended.records[:-1])


async def test_a_summary_that_cannot_be_had_gives_way_to_leaving_out(tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if asked.body.get("tool_choice") == "none":
            return Turn(fault=Refusal(500))
        return looks_on(asked, 2_000)

    async with rig(tmp_path, script, window=Window(8_000, 500)) as r:
        ended = await r.run()
    assert ended.end.outcome is Outcome.SUCCEEDED
    assert {c.method for c in ended.events(HistoryCompacted)} == {"truncation"}


async def test_a_context_that_is_too_long_all_the_same_is_compacted_and_sent_again(tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if asked.body.get("tool_choice") == "none":
            return Turn(text="NOTES: so far.")
        if len(str(asked.messages)) > 12_000:
            return Turn(fault=Refusal(400, "prompt is too long", "context_length_exceeded"))
        return looks_on(asked, 2_000)

    async with rig(tmp_path, script) as r:
        ended = await r.run()
    assert ended.end.outcome is Outcome.SUCCEEDED
    assert {e.code for e in ended.events(ModelFailed)} == {"provider.context_too_long"}


async def test_the_instructions_of_the_workspace_reach_the_model(tmp_path: Path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "AGENTS.md").write_text("Always say please.")
    async with rig(tmp_path, say("Done.")) as r:
        await r.run()
        first = r.model.seen[0].asked
    assert first is not None
    assert "Always say please." in first.messages[0]["content"]


async def test_a_draining_worker_stops_between_moves_and_another_goes_on(tmp_path: Path):
    async with rig(tmp_path, looks) as r:
        mission_id = await r.submit()
        with anyio.fail_after(4):
            async with anyio.create_task_group() as group:
                group.start_soon(r.work, mission_id)
                await when(r, mission_id, "tool.returned")
                r.worker.contexts[mission_id].is_draining = True
        before = await r.look_at(mission_id)
        assert before.state.run is not None
        await r.say(mission_id, "Enough.", "interrupt")
        await r.cancel(mission_id)
        await r.work(mission_id)
        ended = await r.look_at(mission_id)
    assert ended.events(RunFinished)[0].outcome is Outcome.CANCELLED


async def test_a_fenced_worker_appends_nothing_more(tmp_path: Path):
    async with rig(tmp_path, say(SLOWLY)) as r:
        mission_id = await r.submit()
        count = 0
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(r.work, mission_id)
                await when_written(r, mission_id)
                held = await r.database.leases.heartbeat("test")
                await r.database.leases.release(mission_id, held[0].epoch)
                assert await r.database.leases.claim(mission_id, "other")
                count = len((await r.look_at(mission_id)).records)
        assert len((await r.look_at(mission_id)).records) == count


async def test_a_reply_too_long_for_an_event_is_kept_whole_beside_it(tmp_path: Path):
    text = "中" * 100_000
    turn = Turn(text=text, style=Style(chunk_chars=20_000))
    async with rig(tmp_path, say(turn)) as r:
        ended = await r.run()
        [answered] = ended.events(ModelAnswered)
        assert answered.text_blob is not None
        whole = await r.database.blobs.get(ended.mission_id, answered.text_blob)
    assert whole.decode() == text
    assert text.startswith(answered.text)
    assert ended.end.outcome is Outcome.SUCCEEDED


async def test_each_request_begins_with_the_whole_of_the_last_one(tmp_path: Path):
    async with rig(tmp_path, looks) as r:
        await r.run(steps=6)
        bodies = [seen.body for seen in r.model.seen]
    for before, after in pairwise(bodies):
        messages = before.rpartition(b"]")[0]
        assert after.startswith(messages)
