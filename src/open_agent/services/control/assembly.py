"""Puts together all that can be asked about missions, over one database."""

from dataclasses import dataclass

from open_agent.core.clock import Clock
from open_agent.engine.base import Engine
from open_agent.engine.feed import Feed
from open_agent.services.access.audit import Audit
from open_agent.services.control.about import Context
from open_agent.services.control.answers import Answers
from open_agent.services.control.conversations import Conversations
from open_agent.services.control.forks import Forks
from open_agent.services.control.messages import Messages
from open_agent.services.control.removal import Belongings, Removal, Stale
from open_agent.services.control.resuming import Resuming
from open_agent.services.control.runs import Runs
from open_agent.services.control.trees import Trees
from open_agent.services.places import Places
from open_agent.services.workspaces.assembly import WorkspaceServices
from open_agent.store.base import Database
from open_agent.workspaces.processes import ProcessPort


@dataclass(frozen=True, slots=True)
class Control:
    """What can be asked about missions.

    Attributes:
        most_at_once: Missions that one user may have at work at once.
    """

    conversations: Conversations
    messages: Messages
    answers: Answers
    forks: Forks
    removal: Removal
    resuming: Resuming
    runs: Runs
    trees: Trees
    context: Context
    stale: Stale
    most_at_once: int

    async def look_after(self) -> None:
        """Finish what an earlier server left, then set aside what lies still, for ever."""
        await self.removal.finish()
        await self.stale.keep_watch()


@dataclass(frozen=True, slots=True)
class ControlParts:
    """What it stands on, beside the database."""

    engine: Engine
    feed: Feed
    places: Places
    processes: ProcessPort
    audit: Audit
    clock: Clock
    workspaces: WorkspaceServices
    most_at_once: int
    stale_hours: int = 0


def open_control(database: Database, around: ControlParts) -> Control:
    """Everything, ready to be asked."""
    log, missions, rows = database.log, database.missions, database.control
    context = Context(log, missions)
    reserving, leaving = around.workspaces.reserving, around.workspaces.leaving
    conversations = Conversations(log, missions, rows, around.places, around.clock, reserving)
    messages = Messages(log, rows, conversations, around.engine, around.feed, around.places)
    trees = Trees(log, missions)
    belongings = Belongings(database.blobs, around.processes, around.places, leaving)
    return Control(
        conversations=conversations,
        messages=messages,
        answers=Answers(log, rows, conversations, context, around.engine, around.audit),
        forks=Forks(log, conversations, database.blobs, around.places, reserving),
        removal=Removal(log, missions, conversations, belongings, around.audit),
        resuming=Resuming(log, conversations, messages, around.places),
        runs=Runs(missions, rows, trees),
        trees=trees,
        context=context,
        stale=Stale(log, missions, around.clock, hours=around.stale_hours),
        most_at_once=around.most_at_once,
    )
