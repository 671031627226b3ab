"""Missions that begin as another one did, up to some event of it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict, Invalid, NotFound, OpenAgentError
from open_agent.core.ids import MissionId, new_uuid
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import Outcome, Usage
from open_agent.events.blobs import BlobStore
from open_agent.events.fold import MissionState, fold
from open_agent.events.log import Copy, EventLog
from open_agent.events.model.base import BlobRef
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.mission import MissionCreated, MissionRenamed, Origin
from open_agent.events.model.model_call import ModelAnswered
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunFinished
from open_agent.events.model.tool import ToolReturned
from open_agent.events.model.union import UnknownEvent
from open_agent.events.record import Record
from open_agent.services.control.conversations import Conversations
from open_agent.services.control.titles import LONGEST_TITLE, checked_title
from open_agent.services.places import Places
from open_agent.services.workspaces.reserving import Reservation, Reserving

FORKED = "forked"
"""Why what a copy leaves open is ended in it."""
PAGE = 1000
MOST_RECORDS = 20_000
"""In one transaction; beyond it the beginning of the log is what a person means to keep."""


@dataclass(frozen=True, slots=True)
class NewFork:
    """What is asked for: the newest event to take over, and perhaps a title."""

    at_seq: int
    title: str | None = None
    key: str | None = None


class Forks:
    """Makes forks. What is copied costs nothing, and no file is rewound."""

    def __init__(
        self,
        log: EventLog,
        conversations: Conversations,
        blobs: BlobStore,
        places: Places,
        reserving: Reserving,
    ) -> None:
        self._log = log
        self._conversations = conversations
        self._blobs = blobs
        self._places = places
        self._reserving = reserving

    async def fork(self, actor: Actor, mission_id: MissionId, new: NewFork) -> Mission:
        """A new mission with another's history up to an event; it is current from now on.

        Nothing starts by itself: messages that had not been taken then are held.

        Raises:
            NotFound: The mission does not exist, or is not the actor's.
            Invalid: It has no such event yet, or too many before it.
            Conflict: The key was used for another request, or a newer release wrote the events.
        """
        mission = await self._conversations.get(actor, mission_id)
        if new.at_seq > mission.last_seq or new.at_seq > MOST_RECORDS:
            limit = min(mission.last_seq, MOST_RECORDS)
            raise Invalid(
                "fork.at_seq", f"at_seq must be an event of the mission: 1 to {limit} here."
            )
        records = await self._records(actor, mission.id, new.at_seq)
        created = records[0].event
        assert isinstance(created, MissionCreated)
        fork_id = MissionId(new_uuid())
        place = await self._reserving.reserve_for_fork(actor, mission, created, fork_id)
        title = checked_title(new.title) if new.title else _forked_title(mission)
        copies = [_copy(record) for record in records[1:]]
        closing: list[Copy] = []
        if any(isinstance(record.event, MissionRenamed) for record in records):
            closing.append(Copy(MissionRenamed(title=title, by=actor.user_id), None))
        closing += _closing(fold(records), actor, _notice(mission, place))
        begun = MissionCreated(
            owner_id=actor.user_id,
            kind=MissionKind.MISSION,
            title=title,
            workspace=place.path,
            workspace_id=place.workspace_id,
            is_workspace_ours=place.is_ours,
            host_id=self._places.host_id,
            model=mission.wanted_model,
            backend=created.backend,
            forked_from=Origin(mission_id=mission.id, seq=new.at_seq, copies=len(copies)),
        )
        fields = json.dumps([mission.id, new.at_seq, new.title])
        digest = hashlib.sha256(fields.encode()).hexdigest()
        try:
            await self._copy_blobs(mission.id, fork_id, records)
            opened = await self._log.fork_mission(
                fork_id, begun, [*copies, *closing], key=new.key, digest=digest
            )
        except OpenAgentError:
            await self._blobs.delete_all(fork_id)
            await self._reserving.give_up(place)
            raise
        if opened.is_new:
            await self._conversations.select(actor, opened.mission, is_new=True)
        else:
            await self._blobs.delete_all(fork_id)
            await self._reserving.give_up(place)
        return await self._conversations.get(actor, opened.mission.id)

    async def _records(self, actor: Actor, mission_id: MissionId, upto: int) -> list[Record]:
        records: list[Record] = []
        while len(records) < upto:
            page = await self._log.read(
                mission_id,
                after=records[-1].seq if records else 0,
                before=upto + 1,
                limit=PAGE,
                owner=actor.user_id,
            )
            if not page:
                break
            records += page
        return records

    async def _copy_blobs(
        self, source: MissionId, target: MissionId, records: Sequence[Record]
    ) -> None:
        for ref in {ref.digest: ref for record in records for ref in _blobs_of(record)}.values():
            try:
                data = await self._blobs.get(source, ref)
            except NotFound:
                continue  # Whoever reads the copy is told so, as they would be of the original.
            await self._blobs.put(target, data, media_type=ref.media_type)


def _copy(record: Record) -> Copy:
    if isinstance(record.event, UnknownEvent):
        raise Conflict(
            "fork.too_new",
            f"A newer release wrote the event {record.seq} ({record.event.type}); fork before it.",
        )
    return Copy(record.event, record.run_id, record.at)


def _closing(state: MissionState, actor: Actor, notice: NoticeGiven) -> Iterator[Copy]:
    """What brings a history that was cut anywhere to rest."""
    run = state.run
    if run is not None:
        for call in run.unanswered:
            yield Copy(
                ToolReturned(
                    call_id=call.call.call_id,
                    name=call.call.name,
                    outcome="unknown" if call.stage == "called" else "cancelled",
                    content="Outcome unknown: the conversation was copied before the call ended."
                    if call.stage == "called"
                    else "Not run: the conversation was copied before its turn came.",
                    duration_ms=0,
                ),
                run.run_id,
            )
        yield Copy(
            RunFinished(
                outcome=Outcome.CANCELLED,
                reason=FORKED,
                result="The conversation was copied here, while its run was at work.",
                steps=run.steps_answered,
                usage=Usage(),
                cost_microdollars=0,
                duration_seconds=0.0,
                decided_on=state.seq,
            ),
            run.run_id,
        )
    if state.pending:
        yield Copy(CancelRequested(by=actor.user_id, reason=FORKED), None)
    yield Copy(notice, None)


def _notice(mission: Mission, place: Reservation) -> NoticeGiven:
    if place.workspace_id is not None:
        where = (
            f"It works in a new directory, {place.path}, which is made as the other one's was: of a "
            "worktree, from what is committed there now. What the other one made is in "
            f"{mission.workspace} and belongs to that one: change nothing there."
        )
    elif place.is_ours:
        where = (
            f"It works in a new directory, {place.path}, which is empty; what the other one made is "
            f"in {mission.workspace} and belongs to that one: copy what you need, change nothing "
            "there."
        )
    else:
        where = (
            f"It works in the same directory, {place.path}, which is as it is now and not as it was "
            "then."
        )
    return NoticeGiven(
        kind="forked",
        content="Up to here this conversation is a copy of another one. Files were not rewound. "
        f"{where} Nothing that ran there runs for this one.",
    )


def _forked_title(mission: Mission) -> str:
    title = mission.title or "Mission"
    return f"{title[: LONGEST_TITLE - 7]} (fork)"


def _blobs_of(record: Record) -> Iterator[BlobRef]:
    match record.event:
        case ModelAnswered() as event:
            refs = [event.text_blob, *(call.arguments_blob for call in event.tool_calls)]
            yield from (ref for ref in refs if ref is not None)
        case ToolReturned(spilled=spilled, images=images):
            yield from (ref for ref in (spilled, *images) if ref is not None)
        case _:
            pass
