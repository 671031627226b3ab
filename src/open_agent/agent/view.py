"""The view of a mission, read from its log: whole, or from where it was last compacted."""

from open_agent.agent.prompt import system_prompt
from open_agent.core.ids import MissionId
from open_agent.events.fold import MissionState
from open_agent.events.log import EventLog
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.record import Record
from open_agent.models.encoding import Conversation

PAGE = 2_000


async def load_view(
    log: EventLog, mission_id: MissionId, empty: Conversation
) -> tuple[MissionState, Conversation]:
    """Fold the mission's log into a state and a conversation.

    Args:
        log: Where the records are.
        mission_id: Whose.
        empty: A conversation without messages, knowing the tools.
    """
    state, conversation, after = MissionState(), empty, 0
    compacted = await log.last_compaction(mission_id)
    if compacted is not None:
        event = compacted.event
        assert isinstance(event, HistoryCompacted)
        dumped = event.state["mission"]
        queue = [*dumped.get("queue", ()), *dumped.get("edits", ())]
        # The conversation itself knows which steering messages had no place yet.
        steering = set(dumped.get("steering", ()))
        waiting = (seq for seq in queue if seq <= event.upto_seq and seq not in steering)
        conversation.restore(event, waiting)
        records = await _read_all(log, mission_id, {*conversation.missing, *queue})
        state = MissionState.restore(dumped, records)
        needed = set(conversation.missing)
        for record in records:
            if record.seq in needed:
                conversation.apply(record)
        after = event.upto_seq
    while page := await log.read(mission_id, after=after, limit=PAGE):
        for record in page:
            conversation.apply(record)
            if record.seq > state.seq:
                state.apply(record)
        after = page[-1].seq
    if state.run is not None:
        conversation.set_system(system_prompt(state))
    return state, conversation


async def _read_all(log: EventLog, mission_id: MissionId, seqs: set[int]) -> list[Record]:
    """The records of these places, in order; neighbours are read together."""
    found: list[Record] = []
    wanted = sorted(seqs)
    while wanted:
        page = await log.read(mission_id, after=wanted[0] - 1, limit=min(PAGE, len(wanted)))
        found += (record for record in page if record.seq in seqs)
        wanted = [seq for seq in wanted if seq > page[-1].seq]
    return found
