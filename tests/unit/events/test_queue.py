"""Where waiting messages stand, and what is refused of what people do to them."""

from open_agent.core.errors import Conflict
from open_agent.core.ids import MessageId, MissionId, UserId
from open_agent.events.model.queue import MessageMoved
from open_agent.events.projection import project_mission
from open_agent.events.queue import LONGEST_POSITION, QueueRow, refusal
from tests.histories import begun

MISSION = project_mission(None, begun().records[0])


def row(name: str, position: str) -> QueueRow:
    return QueueRow(MissionId("m"), MessageId(name), 1, position, "queue")


def move(name: str, before: str | None) -> MessageMoved:
    target = None if before is None else MessageId(before)
    return MessageMoved(message_id=MessageId(name), before=target, by=UserId("anna"))


def test_a_gap_is_not_divided_beyond_what_a_database_can_index() -> None:
    low, high = "1" * LONGEST_POSITION, "1" * (LONGEST_POSITION - 1) + "2"
    queue = [row("a", low), row("b", high), row("c", "2")]
    refused = refusal(MISSION, move("c", "b"), lambda: queue)
    assert isinstance(refused, Conflict)
    assert refused.code == "queue.crowded"
    for allowed in (move("c", "a"), move("b", None), move("a", "c")):
        assert refusal(MISSION, allowed, lambda: queue) is None
