"""Which missions a list shows, in which order, and where its next page begins."""

from dataclasses import dataclass
from enum import StrEnum

from open_agent.core.errors import Invalid
from open_agent.core.ids import MissionId, WorkspaceId
from open_agent.core.mission import Mission, MissionKind, MissionStatus
from open_agent.core.run import RunState
from open_agent.events.projection import MissionRow
from open_agent.store.rows import to_micros

_BEYOND = 2**62


class MissionOrder(StrEnum):
    """What comes first.

    While pages are read, a list by creation stays as it is. In a list by update a mission that
    changes moves before the first page: it is never shown twice, and one that had not been
    reached yet is found at the top when the list is read from the beginning again.
    """

    CREATED = "created"
    UPDATED = "updated"


@dataclass(frozen=True, slots=True)
class MissionFilter:
    """Which missions; each condition that is empty holds for all."""

    kinds: tuple[MissionKind, ...] = ()
    statuses: tuple[MissionStatus, ...] = ()
    run_states: tuple[RunState, ...] = ()
    parent: MissionId | None = None
    """The mission that delegated them."""
    workspace: WorkspaceId | None = None
    """The workspace that was made, in which they work."""
    directory: str | None = None
    """The directory in which they work, whoever named it."""

    def matches(self, row: MissionRow) -> bool:
        """Whether a mission is one of them."""
        return (
            (not self.kinds or row.kind in self.kinds)
            and (not self.statuses or row.status in self.statuses)
            and (not self.run_states or row.run_state in self.run_states)
            and self.parent in (None, row.parent_id)
            and self.workspace in (None, row.workspace_id)
            and self.directory in (None, row.workspace)
        )


EVERY_MISSION = MissionFilter()


@dataclass(frozen=True, slots=True)
class MissionPage:
    """Some missions in their order, and where the next page begins; absent on the last."""

    items: tuple[Mission, ...]
    next: str | None


def cursor_of(mission: Mission, order: MissionOrder = MissionOrder.CREATED) -> str:
    """What a page that ends with `mission` gives as `next`."""
    if order is MissionOrder.UPDATED:
        return f"u{to_micros(mission.updated_at)}.{mission.id}"
    return f"{to_micros(mission.created_at)}.{mission.id}"


def read_cursor(
    text: str | None, order: MissionOrder = MissionOrder.CREATED
) -> tuple[int, MissionId]:
    """The time and id that a page must stay below.

    Raises:
        Invalid: It is not a cursor of ours, or of a list in another order (`cursor.invalid`).
    """
    if text is None:
        return _BEYOND, MissionId("")
    mark = "u" if order is MissionOrder.UPDATED else ""
    at, dot, mission_id = text.removeprefix(mark).partition(".")
    is_ours = dot and at.isascii() and at.isdigit() and len(at) < 19 and text.startswith(mark)
    if not is_ours:
        raise Invalid("cursor.invalid", "This cursor is not one of ours; begin without one.")
    return int(at), MissionId(mission_id)
