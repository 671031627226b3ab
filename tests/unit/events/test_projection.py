"""Rows as folds: what waits for a worker, and what a budget has left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from open_agent.core.ids import MessageId, MissionId, RunId, UserId
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Outcome, RunState, Usage
from open_agent.events.codec import make_record
from open_agent.events.fold import fold
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import Delivery, MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed, Purpose
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunFinished, RunStarted, RunWaiting
from open_agent.events.model.union import UnknownEvent
from open_agent.events.projection import MissionRow, project_mission
from open_agent.events.queue import QueueRow, apply_change, project_queue
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow, project_runs
from tests.histories import histories

OWNER, MISSION = UserId("anna"), MissionId("mission")
RUN, CHILD = RunId("run"), RunId("child")
START = datetime(2026, 1, 1, tzinfo=UTC)
TOMORROW = START + timedelta(days=1)


class Log:
    """A mission's rows, event by event; each comes a second after the one before."""

    def __init__(self) -> None:
        self.seq = 0
        self.run_id: RunId | None = None
        self.mission: MissionRow | None = None
        self.runs: dict[RunId, RunRow] = {}
        self.queue: list[QueueRow] = []
        self.add(
            MissionCreated(
                owner_id=OWNER,
                kind=MissionKind.TASK,
                workspace="/work",
                is_workspace_ours=True,
                host_id="host",
            )
        )

    def add(self, *events: Any) -> MissionRow:
        for event in events:
            self.seq += 1
            record = make_record(self.seq, self.seq, self.now, MISSION, self.run_id, event)
            before = self.mission and replace(self.mission)
            row = project_mission(self.mission, record)
            assert self.mission == before, "the row that it was given is as it was"
            self.mission = row
            self.runs |= {run.run_id: run for run in project_runs(self.runs.get, row, record)}
            change = project_queue(before or row, record, lambda: self.queue)
            self.queue = self.queue if change is None else apply_change(self.queue, change)
            assert row.queued == len(self.queue), "the row counts what its queue holds"
            assert row.steered == sum(m.delivery == "steer" for m in self.queue)
        assert self.mission is not None
        return self.mission

    @property
    def waiting(self) -> tuple[str, ...]:
        return tuple(message.message_id for message in self.queue)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.seq)

    def start(self, *messages: str, run_id: RunId = RUN, root: RunId = RUN) -> MissionRow:
        self.run_id = run_id
        ids = [MessageId(message) for message in messages]
        limits = Limits(budget_microdollars=100)
        return self.add(
            RunStarted(
                message_ids=ids, backend="native", model="used", limits=limits, root_run_id=root
            )
        )


def said(name: str, delivery: Delivery = "queue", model: str | None = None) -> MessageReceived:
    options = RunOptions(model=model)
    return MessageReceived(
        message_id=MessageId(name), sender=OWNER, content="", delivery=delivery, options=options
    )


def asked(amount: int = 0, purpose: Purpose = "step") -> ModelAsked:
    return ModelAsked(
        step=1,
        attempt=1,
        purpose=purpose,
        model="used",
        max_tokens=1,
        request_bytes=1,
        reserved_microdollars=amount,
        decided_on=1,
    )


def answered(cost: int = 0, purpose: Purpose = "step") -> ModelAnswered:
    return ModelAnswered(
        step=1,
        purpose=purpose,
        model=f"answering-{purpose}",
        text="",
        finish_reason="stop",
        usage=Usage(input_tokens=2, output_tokens=1),
        cost_microdollars=cost,
        cost_source="reported",
        duration_ms=1,
    )


def failed(cost: int = 0) -> ModelFailed:
    return ModelFailed(
        step=1,
        model="used",
        code="provider.silent",
        message="",
        is_retryable=True,
        usage=Usage(input_tokens=2),
        cost_microdollars=cost,
        cost_source="reserved",
        duration_ms=1,
    )


def finished(result: str = "Done.") -> RunFinished:
    return RunFinished(
        outcome=Outcome.SUCCEEDED,
        reason="done",
        result=result,
        steps=7,
        usage=Usage(),
        cost_microdollars=0,
        duration_seconds=1,
        decided_on=1,
    )


def parked() -> RunWaiting:
    return RunWaiting(reason="model.retry", message="", until=TOMORROW, decided_on=1)


def note() -> NoticeGiven:
    return NoticeGiven(kind="note", content="")


def test_a_log_must_begin_with_its_mission() -> None:
    record = make_record(1, 1, START, MISSION, None, note())

    with pytest.raises(ValueError, match=r"mission\.created"):
        project_mission(None, record)


def test_a_mission_without_a_message_has_nothing_to_do() -> None:
    row = Log().add(note())

    assert (row.run_state, row.ready_at) == (RunState.IDLE, None)


def test_a_message_queues_a_mission_from_the_time_it_came() -> None:
    log = Log()
    log.add(said("a"))
    row = log.add(said("b"))

    assert (row.run_state, row.ready_at) == (RunState.QUEUED, START + timedelta(seconds=2))
    assert log.waiting == ("a", "b")


def test_a_run_takes_the_messages_it_names_and_no_others() -> None:
    log = Log()
    log.add(said("a"), said("b"))
    row = log.start("a")

    assert (row.run_state, log.waiting, row.run_id) == (RunState.RUNNING, ("b",), RUN)
    row = log.add(finished())
    assert (row.run_state, log.waiting) == (RunState.QUEUED, ("b",))
    log.start("b")
    row = log.add(finished())
    assert (row.run_state, log.waiting, row.ready_at) == (RunState.FINISHED, (), None)


def test_a_message_to_a_finished_mission_queues_it_again() -> None:
    log = Log()
    log.add(said("a"))
    log.start("a")
    log.add(finished())
    row = log.add(said("b"))

    assert (row.run_state, row.outcome, row.ready_at) == (
        RunState.QUEUED,
        Outcome.SUCCEEDED,
        log.now,
    )


@pytest.mark.parametrize(
    ("delivery", "left"), [("queue", ("b",)), ("interrupt", ("b",)), ("steer", ())]
)
def test_only_a_steer_is_taken_by_the_next_model_call(
    delivery: Delivery, left: tuple[str, ...]
) -> None:
    log = Log()
    log.add(said("a"))
    log.start("a")
    log.add(said("b", delivery))
    row = log.add(asked())

    assert log.waiting == left
    row = log.add(answered(), finished())
    assert row.run_state is (RunState.QUEUED if left else RunState.FINISHED)


def test_compaction_does_not_take_a_steer() -> None:
    log = Log()
    log.start()
    log.add(said("b", "steer"))

    log.add(asked(purpose="compaction"), answered(purpose="compaction"))
    assert log.waiting == ("b",)


def test_a_steer_that_no_model_call_saw_is_taken_by_the_next_run() -> None:
    log = Log()
    log.start()
    row = log.add(said("b", "steer"), finished())

    assert (row.run_state, log.waiting) == (RunState.QUEUED, ("b",))
    log.start("b")
    log.add(asked())
    assert log.waiting == ()


def test_a_steer_to_a_mission_at_rest_is_taken_by_the_run_that_names_it() -> None:
    log = Log()
    log.add(said("a", "steer"), said("b"))
    row = log.start("a", "b")

    assert (log.waiting, row.queued, row.steered) == ((), 0, 0)


def test_a_parked_run_is_ready_when_its_time_comes() -> None:
    log = Log()
    log.start()
    row = log.add(parked())

    assert (row.run_state, row.wake_at, row.ready_at, row.reason) == (
        RunState.WAITING,
        TOMORROW,
        TOMORROW,
        "model.retry",
    )
    row = log.add(note())
    assert (row.run_state, row.wake_at, row.ready_at, row.reason) == (
        RunState.RUNNING,
        None,
        log.now,
        None,
    )


@pytest.mark.parametrize("word", [said("b"), CancelRequested(by=OWNER)])
def test_a_word_wakes_a_parked_run_but_never_puts_it_off(word: Any) -> None:
    log = Log()
    log.start()
    log.add(parked())
    row = log.add(word)

    assert (row.run_state, row.wake_at, row.ready_at) == (RunState.WAITING, log.now, log.now)
    first = log.now
    assert log.add(CancelRequested(by=OWNER)).wake_at == first


def test_cancelling_a_mission_at_rest_gives_it_nothing_to_do() -> None:
    row = Log().add(CancelRequested(by=OWNER))

    assert (row.run_state, row.ready_at) == (RunState.IDLE, None)


def test_the_model_is_first_the_one_asked_for_then_the_one_that_answered() -> None:
    log = Log()
    models = [
        log.add(said("a", model="wanted")).model,
        log.add(said("b", model="other")).model,
        log.start("a", "b").model,
        log.add(asked(), answered()).model,
        log.add(asked(purpose="compaction"), answered(purpose="compaction")).model,
    ]

    assert models == ["wanted", "wanted", "used", "answering-step", "answering-step"]


def test_steps_are_of_the_newest_run_and_usage_is_of_all() -> None:
    log = Log()
    log.start()
    log.add(asked(), answered(5), asked(), failed(3), asked(), answered(4))
    assert log.mission is not None
    assert (log.mission.steps, log.mission.spent) == (2, 12)
    assert log.add(finished()).steps == 7
    row = log.start(run_id=RunId("next"), root=RunId("next"))

    assert (row.steps, row.spent, row.result, row.outcome) == (0, 12, None, None)
    assert row.usage == Usage(input_tokens=6, output_tokens=2)


def test_an_event_of_a_newer_release_only_moves_the_end() -> None:
    log = Log()
    before = log.add(said("a"))
    after = log.add(UnknownEvent(type="moon.landed"))

    assert after == replace(before, last_seq=3, updated_at=log.now)


def test_a_reservation_lasts_until_the_call_is_settled() -> None:
    log = Log()
    log.start()

    def money() -> tuple[int, int, int]:
        run = log.runs[RUN]
        return run.reserved, run.asked, run.spent

    log.add(asked(60))
    assert money() == (60, 60, 0)
    log.add(answered(20))
    assert money() == (0, 0, 20)
    log.add(asked(30), failed(30))
    assert money() == (0, 0, 50)
    log.add(asked(10), finished())
    assert money() == (0, 0, 50)


def test_a_child_draws_on_its_root() -> None:
    log = Log()
    log.start()
    log.add(asked(10))
    log.start(run_id=CHILD)
    log.add(asked(50))
    assert (log.runs[RUN].reserved, log.runs[RUN].asked) == (60, 10)
    log.add(answered(20))
    assert (log.runs[RUN].reserved, log.runs[RUN].spent) == (10, 20)
    assert (log.runs[CHILD].reserved, log.runs[CHILD].spent) == (0, 20)


def test_nothing_is_reserved_on_a_run_that_is_over() -> None:
    log = Log()
    log.start()
    log.start(run_id=CHILD)
    log.add(asked(50))
    log.run_id = RUN
    log.add(finished(), asked(10))
    assert log.runs[RUN].reserved == 0
    log.run_id = CHILD
    log.add(answered(20), asked(5))

    assert (log.runs[RUN].reserved, log.runs[RUN].spent) == (0, 20)
    assert log.runs[CHILD].reserved == 5


def test_a_long_result_is_cut_at_a_character() -> None:
    log = Log()
    log.start()
    result = log.add(finished("ä" * 50_000)).result

    assert result == "ä" * (32 * 1024)


@given(histories())
def test_the_row_and_the_agents_fold_agree_on_what_waits(records: list[Record]) -> None:
    row: MissionRow | None = None
    queue: list[QueueRow] = []
    for record in records:
        before, row = row, project_mission(row, record)
        change = project_queue(before or row, record, lambda: queue)
        if change is not None:
            queue[:] = apply_change(queue, change)
    state = fold(records)

    assert row is not None
    assert [message.message_id for message in queue] == [m.message_id for m in state.pending]
    assert (row.queued, row.steered) == (
        len(state.pending),
        sum(message.delivery == "steer" for message in state.pending),
    )
    assert row.is_held == state.is_held
    assert (row.run_state in (RunState.RUNNING, RunState.WAITING)) == (state.run is not None)
    has_work = state.run is not None or bool(state.pending and not state.is_held)
    assert (row.ready_at is not None) == has_work
