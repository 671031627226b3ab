"""Runs as rows of their own: what was asked, what came of it, what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from open_agent.core.actor import Actor
from open_agent.core.errors import NotFound
from open_agent.core.ids import RunId, is_uuid
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.queue import MessageEdited
from open_agent.events.model.run import RunFinished, RunStarted
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow
from open_agent.services.control.tree import Node
from open_agent.services.control.trees import Trees
from open_agent.store.control import ControlRows
from open_agent.store.missions import Missions

PAGE = 1000
INPUT_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with what it was asked and what it said last."""

    row: RunRow
    input_text: str
    started: RunStarted | None
    finished: RunFinished | None


class Runs:
    """Shows the actor's runs."""

    def __init__(self, missions: Missions, rows: ControlRows, trees: Trees) -> None:
        self._missions = missions
        self._rows = rows
        self._trees = trees

    async def page(self, actor: Actor, *, limit: int, offset: int) -> list[RunView]:
        """The actor's runs, newest first."""
        rows = await self._rows.runs(owner=actor.user_id, limit=limit, offset=offset)
        return [await self._view(actor, row) for row in rows]

    async def get(self, actor: Actor, run_id: RunId) -> RunView:
        """One of the actor's runs.

        Raises:
            NotFound: It does not exist, or is not the actor's (`run.not_found`).
        """
        row = None
        if is_uuid(run_id):
            row = await self._rows.run(run_id, owner=actor.user_id)
        if row is None:
            raise NotFound("run.not_found", "Run not found")
        return await self._view(actor, row)

    async def records(self, actor: Actor, run_id: RunId, *, limit: int) -> Sequence[Record]:
        """What happened in a run, in order.

        Raises:
            NotFound: It does not exist, or is not the actor's (`run.not_found`).
        """
        view = await self.get(actor, run_id)
        return await self._rows.run_records(
            view.row.mission_id, run_id, owner=actor.user_id, limit=limit
        )

    async def tree(self, actor: Actor, run_id: RunId) -> Node | None:
        """The parts of the work of the run's mission, while it is the mission's newest run.

        Raises:
            NotFound: It does not exist, or is not the actor's (`run.not_found`).
        """
        view = await self.get(actor, run_id)
        mission = await self._missions.get(view.row.mission_id, owner=actor.user_id)
        return await self._trees.tree(actor, mission) if mission.run_id == run_id else None

    async def _view(self, actor: Actor, row: RunRow) -> RunView:
        records = await self._rows.run_ends(row.mission_id, row.run_id, owner=actor.user_id)
        started = next((r.event for r in records if isinstance(r.event, RunStarted)), None)
        finished = next((r.event for r in records if isinstance(r.event, RunFinished)), None)
        text = await self._input(actor, row, started) if started else ""
        return RunView(row, text, started, finished)

    async def _input(self, actor: Actor, row: RunRow, started: RunStarted) -> str:
        """What the messages say that the run carries out."""
        wanted, texts, after = set(started.message_ids), dict[str, str](), 0
        while page := await self._rows.said(
            row.mission_id, owner=actor.user_id, after=after, limit=PAGE
        ):
            for record in page:
                event = record.event
                is_word = isinstance(event, MessageReceived | MessageEdited)
                if is_word and event.message_id in wanted:
                    texts[event.message_id] = event.content
            if len(texts) == len(wanted) or len(page) < PAGE:
                break
            after = page[-1].seq
        found = [texts[message_id] for message_id in started.message_ids if message_id in texts]
        return "\n\n".join(found)[:INPUT_CHARACTERS]
