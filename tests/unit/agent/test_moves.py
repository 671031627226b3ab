from datetime import datetime, timedelta

import pytest
from hypothesis import given

from open_agent.agent.limits import Rules
from open_agent.agent.moves import (
    AskModel,
    CallTools,
    Compact,
    Dismiss,
    Move,
    Stop,
    TakeDefault,
    Tell,
    View,
    Wait,
    next_move,
)
from open_agent.core.ids import CallId, UserId
from open_agent.core.run import Limits, Outcome
from open_agent.events.fold import fold
from open_agent.events.model.answer import (
    AnswerDefaulted,
    AnswerGiven,
    AnswerRequested,
    QuestionKind,
)
from open_agent.events.model.tool import ToolReturned
from open_agent.events.record import Record
from tests.histories import History, begun, histories


class PerByte:
    """A price of one micro-dollar a byte and two a token of output; none for models unknown."""

    def worst_case(self, model: str, request_bytes: int, max_tokens: int) -> int | None:
        return None if model == "unknown/model" else request_bytes + 2 * max_tokens


class Small:
    """A window of ten thousand tokens, with replies of a thousand."""

    def context_tokens(self, model: str) -> int:
        return 10_000

    def output_tokens(self, model: str) -> int:
        return 1_000


RULES = Rules(prices=PerByte(), windows=Small())


def decide(
    history: History, *, size: int = 1_000, now: datetime | None = None, shrinkable: bool = False
) -> Move:
    view = View(fold(history.records), size, shrinkable)
    return next_move(view, RULES, now or history.now)


def reason(move: Move) -> str:
    assert isinstance(move, Stop), move
    return move.reason


def test_a_new_run_asks_its_model_with_the_worst_case_reserved():
    assert decide(begun()) == AskModel("test/model", 1, 1, max_tokens=1_000, reserve=3_000)


def test_requested_calls_are_carried_out():
    move = decide(begun().asked().answered("", [("a", "{}"), ("b", "{}")]).called(0).returned(0))
    assert isinstance(move, CallTools)
    assert [c.call.name for c in move.calls] == ["b"]


def test_after_the_calls_the_model_is_asked_for_the_next_step():
    move = decide(begun().tool_step())
    assert isinstance(move, AskModel)
    assert move.step == 2


def test_an_answer_without_calls_ends_the_run():
    move = decide(begun().asked().answered("All done."))
    assert move == Stop(Outcome.SUCCEEDED, "done", "All done.")


def test_a_steering_message_keeps_a_run_from_ending():
    move = decide(begun().asked().message("And this.", "steer").answered("All done."))
    assert isinstance(move, AskModel)


def test_a_queued_message_does_not_keep_a_run_from_ending():
    assert reason(decide(begun().asked().message("Later.").answered("All done."))) == "done"


def test_a_cancelled_run_answers_its_calls_before_it_stops():
    history = begun().asked().answered("", [("a", "{}")]).called().cancelled()
    move = decide(history)
    assert isinstance(move, Dismiss)
    assert len(move.calls) == 1
    history.returned(outcome="cancelled")
    stopped = decide(history)
    assert isinstance(stopped, Stop)
    assert stopped.outcome is Outcome.CANCELLED


def test_a_cancel_wins_over_a_finished_answer():
    assert reason(decide(begun().asked().answered("Done.").cancelled())) == "user"


def test_an_interrupting_message_ends_the_run():
    assert reason(decide(begun().asked().message("Stop that.", "interrupt").failed())) == (
        "interrupted"
    )


def test_a_run_over_its_time_is_exhausted():
    history = begun(limits=Limits(wall_seconds=60))
    assert reason(decide(history, now=history.now + timedelta(seconds=61))) == "time"


def test_a_run_over_its_steps_is_exhausted():
    history = begun(limits=Limits(steps=2)).tool_step("1").tool_step("2")
    move = decide(history)
    assert isinstance(move, Stop)
    assert (move.outcome, move.reason) == (Outcome.EXHAUSTED, "steps")


def test_the_last_allowed_step_may_still_end_the_run():
    history = begun(limits=Limits(steps=1)).asked().answered("Done.")
    assert reason(decide(history)) == "done"


def test_a_reply_is_cut_to_what_the_budget_affords():
    history = begun(limits=Limits(budget_microdollars=2_500))
    move = decide(history, size=1_000)
    assert move == AskModel("test/model", 1, 1, max_tokens=750, reserve=2_500)


def test_a_run_that_cannot_afford_a_call_is_exhausted():
    history = begun(limits=Limits(budget_microdollars=1_500))
    assert reason(decide(history, size=1_000)) == "budget"


def test_what_was_spent_is_gone():
    history = begun(limits=Limits(budget_microdollars=10_000)).asked(reserve=3_000)
    history.answered("", [("a", "{}")], cost=9_500).called().returned()
    assert reason(decide(history, size=10)) == "budget"


def test_no_budget_means_no_limit():
    move = decide(begun(limits=Limits(budget_microdollars=0)), size=10**6)
    assert isinstance(move, AskModel)
    assert move.max_tokens == 1_000


def test_an_unknown_price_under_a_budget_is_refused():
    assert reason(decide(begun(model="unknown/model"))) == "price.unknown"


def test_an_unknown_price_without_a_budget_is_allowed():
    move = decide(begun(model="unknown/model", limits=Limits(budget_microdollars=0)))
    assert isinstance(move, AskModel)
    assert move.reserve == 0


def test_a_failed_try_waits_until_its_time_and_is_made_again():
    history = begun().asked()
    later = history.now + timedelta(seconds=30)
    history.failed(retry_at=later)
    assert decide(history) == Wait(later, "model.retry", "It failed.")
    move = decide(history, now=later)
    assert isinstance(move, AskModel)
    assert (move.step, move.attempt) == (1, 2)


def test_a_failure_that_will_not_pass_ends_the_run():
    assert reason(decide(begun().asked().failed("provider.refused", is_retryable=False))) == (
        "provider.refused"
    )


def test_a_crash_of_the_server_is_no_failure_of_the_provider():
    history = begun().asked()
    for _ in range(RULES.tries):
        history.failed("server.stopped").asked_again()
    history.failed("server.stopped")
    move = decide(history)
    assert isinstance(move, AskModel)
    assert (move.step, move.attempt) == (1, 1)


def failed_four_times(**changes: object) -> History:
    history = begun(**changes).asked().failed()
    for _ in range(3):
        history.asked_again().failed()
    return history


def test_after_the_last_try_the_fallback_model_takes_over_and_stays():
    history = failed_four_times(fallback_model="other/model")
    move = decide(history)
    assert isinstance(move, AskModel)
    assert (move.model, move.step, move.attempt) == ("other/model", 1, 1)
    history.asked_again("other/model").answered("", [("a", "{}")]).called().returned()
    again = decide(history)
    assert isinstance(again, AskModel)
    assert again.model == "other/model"


def test_a_refusal_moves_to_the_fallback_model_at_once():
    history = begun(fallback_model="other/model").asked()
    history.failed("provider.model_not_found", is_retryable=False)
    move = decide(history)
    assert isinstance(move, AskModel)
    assert move.model == "other/model"


def test_a_refusal_of_the_fallback_model_ends_the_run():
    history = failed_four_times(fallback_model="other/model")
    history.asked_again("other/model").failed("provider.refused", is_retryable=False)
    assert reason(decide(history)) == "provider.refused"


def test_a_provider_that_stays_away_parks_the_run_and_at_last_ends_it():
    history = failed_four_times()
    for _ in range(RULES.parks):
        move = decide(history)
        assert isinstance(move, Wait)
        assert move.reason == "provider.unreachable"
        history.waited(move.reason, move.until)
        assert isinstance(decide(history, now=move.until), AskModel)
        for _ in range(RULES.tries):
            history.asked_again().failed()
    assert reason(decide(history)) == "provider.rate_limited"


def test_an_empty_reply_is_told_and_then_ends_the_run():
    history = begun().asked().answered("  ")
    for _ in range(2):
        assert isinstance(decide(history), Tell)
        history.noticed("empty_reply")
        assert isinstance(decide(history), AskModel)
        history.asked().answered("")
    assert reason(decide(history)) == "empty_reply"


def test_a_cut_reply_is_told_and_then_ends_the_run():
    history = begun()
    for _ in range(2):
        history.asked().answered("Half", finish="length")
        assert isinstance(decide(history), Tell)
        history.noticed("length")
    history.asked().answered("Half", finish="length")
    move = decide(history)
    assert isinstance(move, Stop)
    assert (move.outcome, move.reason) == (Outcome.FAILED, "length")
    assert "last 3 replies all reached the length limit" in move.result
    assert "MAX_OUTPUT_TOKENS" in move.result
    assert move.result.endswith("\n\nHalf")


def test_a_filtered_reply_fails_the_run_and_says_why():
    move = decide(begun().asked().answered("First, I", finish="content_filter"))
    assert isinstance(move, Stop)
    assert (move.outcome, move.reason) == (Outcome.FAILED, "content_filter")
    assert move.result.startswith("The provider's content filter cut the model's reply")
    assert move.result.endswith("\n\nFirst, I")


def test_a_filtered_reply_without_a_word_is_not_told_to_be_empty():
    move = decide(begun().asked().answered("", finish="content_filter"))
    assert reason(move) == "content_filter"


def test_a_steering_message_goes_on_after_a_filtered_reply():
    history = begun().asked().message("Then leave that out.", "steer")
    assert isinstance(decide(history.answered("I", finish="content_filter")), AskModel)


def test_the_same_calls_with_the_same_results_are_told_once_and_then_end_the_run():
    history = begun().tool_step().tool_step()
    assert isinstance(decide(history), AskModel)
    history.tool_step()
    assert isinstance(decide(history), Tell)
    history.noticed("repeating")
    assert isinstance(decide(history), AskModel)
    assert isinstance(decide(history.tool_step()), AskModel)
    assert reason(decide(history.tool_step())) == "repeating"


def test_the_same_call_with_another_result_is_not_a_repetition():
    history = begun()
    for number in range(8):
        history.tool_step(content=f"{number} left")
    assert isinstance(decide(history), AskModel)


def test_a_tool_that_always_fails_is_told_once_and_then_ends_the_run():
    history = begun()

    def fail(number: int) -> None:
        history.asked().answered("", [("run_command", f'{{"command": "{number}"}}')])
        history.called().returned(outcome="failed", content=str(number))

    for number in range(4):
        fail(number)
    assert isinstance(decide(history), Tell)
    history.noticed("tool_failing")
    for number in range(4, 8):
        assert isinstance(decide(history), AskModel)
        fail(number)
    assert reason(decide(history)) == "tool_failing"


def test_calls_made_together_that_all_fail_are_one_failure_and_the_model_sees_their_answers():
    calls = [("run_command", f'{{"command": "{number}"}}') for number in range(8)]
    history = begun().asked().answered("", calls).called()
    for number in range(8):
        history.returned(number, outcome="failed", content=str(number))
    assert isinstance(decide(history), AskModel)


def test_a_full_context_is_compacted_by_a_summary():
    move = decide(begun(), size=30_000, shrinkable=True)
    assert isinstance(move, Compact)
    assert move.method == "summary"
    assert 0 < move.keep_bytes <= 15_000


def test_a_context_that_cannot_shrink_is_sent_as_it_is():
    assert isinstance(decide(begun().tool_step(), size=30_000), AskModel)


def test_the_size_of_a_request_is_judged_by_what_the_provider_counted():
    history = begun().asked(size=30_000).answered("", [("a", "{}")], tokens=3_000)
    history.called().returned()
    assert isinstance(decide(history, size=30_000, shrinkable=True), AskModel)


def test_a_reply_that_the_context_is_too_long_leads_to_compaction():
    history = begun().asked().failed("provider.context_too_long", is_retryable=False)
    assert isinstance(decide(history, shrinkable=True), Compact)
    assert reason(decide(history, shrinkable=False)) == "provider.context_too_long"


@given(histories())
def test_every_state_with_an_active_run_has_exactly_one_move(records: list[Record]):
    state = fold(records)
    if state.run is None or state.run.asked is not None:
        return
    view = View(state, 1_000, False)
    first = next_move(view, RULES, records[-1].at)
    assert first == next_move(view, RULES, records[-1].at)
    if state.run.unanswered:
        assert isinstance(first, CallTools | Dismiss)
    if state.run.is_cancelled:
        assert isinstance(first, Stop | Dismiss)


def questioned(kind: QuestionKind = "input") -> History:
    """A run whose first of two calls needs a person, for a minute from now on."""
    history = begun().asked().answered("", [("a", "{}"), ("b", "{}")])
    until = history.now + timedelta(seconds=60)
    return history.add(
        AnswerRequested(call_id=CallId("c1-0"), name="a", kind=kind, arguments={}, until=until)
    )


@pytest.mark.parametrize(
    ("kind", "reason"), [("input", "waiting_for_tool"), ("approval", "waiting_for_approval")]
)
def test_a_run_waits_for_a_person_until_the_deadline(kind: QuestionKind, reason: str):
    history = questioned(kind)
    move = decide(history)
    assert isinstance(move, Wait)
    assert (move.reason, move.until - history.now) == (reason, timedelta(seconds=59))


def test_after_the_deadline_the_default_is_taken():
    history = questioned()
    assert decide(history, now=history.now + timedelta(seconds=60)) == TakeDefault(CallId("c1-0"))


def test_once_it_is_answered_the_calls_are_carried_out_in_order():
    given = AnswerGiven(call_id=CallId("c1-0"), answer="a", by=UserId("default"))
    defaulted = AnswerDefaulted(call_id=CallId("c1-0"), decided_on=1)
    for event in (given, defaulted):
        move = decide(questioned().add(event))
        assert isinstance(move, CallTools)
        assert [call.call.name for call in move.calls] == ["a", "b"]


def test_a_cancel_does_not_wait_for_a_person():
    move = decide(questioned().cancelled())
    assert isinstance(move, Dismiss)
    assert len(move.calls) == 2


def test_what_was_delegated_is_gone_from_the_budget_and_is_no_cost_of_the_run():
    history = begun(limits=Limits(budget_microdollars=10_000))
    history.asked(reserve=1_000).answered("", [("delegate", "{}")], cost=500)
    history.called().add(
        ToolReturned(
            call_id=CallId("c1-0"),
            name="delegate",
            outcome="ok",
            content="Done.",
            duration_ms=1,
            cost_microdollars=8_000,
        )
    )
    run = fold(history.records).run
    assert run is not None
    assert (run.budget_left, run.spent_microdollars) == (1_500, 500)
    move = decide(history, size=400)
    assert isinstance(move, AskModel)
    assert move.reserve <= 1_500
