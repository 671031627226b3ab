"""The view of a mission, read from its log: whole, or from where it was last compacted."""

from open_agent.agent.prompt import system_prompt
from open_agent.core.ids import MissionId
from open_agent.events.fold import MissionState
from open_agent.events.log import EventLog
from open_agent.events.model.history import HistoryCompacted
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
        state = MissionState.model_validate(event.state["mission"])
        conversation.restore(event)
        for seq in conversation.missing:
            for record in await log.read(mission_id, after=seq - 1, limit=1):
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
