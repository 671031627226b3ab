"""An event with its place in the log: the stored form and the wire form, in one."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from open_agent.core.ids import MissionId, RunId
from open_agent.events.model.union import Event, UnknownEvent


class Record(BaseModel):
    """An event as the log holds it.

    `seq` is gapless within the mission and begins at 1; `owner_seq` is exact within everything
    that belongs to the owner. Both are given when the event is committed.
    """

    model_config = ConfigDict(frozen=True)

    seq: int
    owner_seq: int
    at: datetime
    mission_id: MissionId
    run_id: RunId | None
    event: Event | UnknownEvent = Field(union_mode="left_to_right")
