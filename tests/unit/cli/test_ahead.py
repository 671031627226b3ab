from collections.abc import Iterator

from hypothesis import given

from open_agent.cli.ahead import Ahead
from open_agent.core.mission import MissionKind
from open_agent.events.fold import fold
from open_agent.events.record import Record
from tests.histories import MISSION, History, histories


def seen(records: list[Record]) -> Iterator[tuple[int, bool]]:
    """After each record: how many there were, and whether more is to come."""
    ahead = Ahead()
    for number, record in enumerate(records, 1):
        ahead.see(record)
        yield number, ahead.is_more


@given(histories())
def test_more_is_to_come_just_when_the_state_has_messages_that_nothing_holds(
    records: list[Record],
) -> None:
    assert all(record.mission_id == MISSION for record in records)
    for number, is_more in seen(records):
        state = fold(records[:number])
        if state.kind is MissionKind.MISSION:
            assert is_more == (bool(state.pending) and not state.is_held), records[number - 1]


def test_a_log_that_goes_on_is_not_at_its_end() -> None:
    ahead = Ahead()
    records = History().created(MissionKind.MISSION).message().started().finished().records
    ahead.reach(len(records) + 2)
    for record in records:
        ahead.see(record)
    assert ahead.is_more
