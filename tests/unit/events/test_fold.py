import pydantic_core
from hypothesis import given
from hypothesis import strategies as st

from open_agent.core.ids import RunId
from open_agent.events.active_run import count_repeats
from open_agent.events.fold import MissionState, fold
from open_agent.events.model.union import UnknownEvent
from open_agent.events.record import Record
from tests.histories import RUN, History, begun, histories


@given(histories(), st.data())
def test_folding_in_two_parts_equals_folding_once(records: list[Record], data: st.DataObject):
    cut = data.draw(st.integers(0, len(records)))
    assert fold(records[cut:], fold(records[:cut])) == fold(records)


@given(histories())
def test_a_state_survives_being_written_down(records: list[Record]):
    state = fold(records)
    assert MissionState.model_validate_json(state.model_dump_json()) == state
    dumped = pydantic_core.from_json(pydantic_core.to_json(state.dump()))
    named = {*dumped.get("queue", []), *dumped.get("edits", [])}
    kept = [record for record in records if record.seq in named]
    assert MissionState.restore(dumped, kept) == state


def test_money_is_reserved_while_a_call_is_in_flight_and_settled_after_it():
    history = begun().asked(reserve=700)
    state = fold(history.records)
    assert state.run
    assert (state.run.reserved_microdollars, state.run.spent_microdollars) == (700, 0)
    state = fold(history.answered("done", cost=120).records)
    assert state.run
    assert (state.run.reserved_microdollars, state.run.spent_microdollars) == (0, 120)


def test_a_failed_call_counts_what_it_cost():
    run = fold(begun().asked(reserve=700).failed(cost=700).records).run
    assert run
    assert (run.reserved_microdollars, run.spent_microdollars) == (0, 700)


def test_calls_are_open_until_they_have_returned():
    history = begun().asked().answered("", [("a", "{}"), ("b", "{}")]).called(0)
    run = fold(history.records).run
    assert run
    assert [call.stage for call in run.unanswered] == ["called", "requested"]
    run = fold(history.returned(0).returned(1).records).run
    assert run
    assert run.unanswered == []


def test_a_message_waits_until_a_run_takes_it():
    history = begun().message("Next.")
    assert [m.delivery for m in fold(history.records).pending] == ["queue"]
    history.finished().started()
    assert fold(history.records).pending == []


def test_a_steering_message_waits_until_the_model_is_asked():
    history = begun().asked().message("Rather this.", "steer")
    assert fold(history.records).has_steering
    history.answered("ok").asked()
    assert not fold(history.records).has_steering


def test_a_cancel_before_the_run_starts_cancels_that_run():
    history = History().created().message().cancelled()
    assert fold(history.records).is_cancelled_early
    run = fold(history.started().records).run
    assert run
    assert run.is_cancelled


def test_a_cancel_with_nothing_to_cancel_is_forgotten():
    history = begun().finished().cancelled().message().started()
    run = fold(history.records).run
    assert run
    assert not run.is_cancelled


def test_an_event_of_a_newer_release_is_remembered_by_its_type():
    newer = UnknownEvent.model_validate({"type": "moon.landed", "crew": 3})
    history = begun()
    history.add(newer)  # type: ignore[arg-type]
    assert fold(history.records).unknown_type == "moon.landed"


def test_run_ids_follow_the_newest_run():
    state = fold(begun().finished().message().started().records)
    assert state.run
    assert state.run.run_id == RunId(f"{RUN[:-4]}0002")


def test_repeats_count_cycles_of_up_to_three_steps():
    cases = {"": 0, "a": 1, "aaa": 3, "xabab": 2, "abcabcabc": 3, "abcd": 1, "aab": 1, "baa": 2}
    assert {text: count_repeats(list(text)) for text in cases} == cases
