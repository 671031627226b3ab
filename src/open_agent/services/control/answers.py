"""What runs ask people: questions that wait, and their answers. The first answer counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict, NotFound
from open_agent.core.ids import CallId, MissionId, new_uuid
from open_agent.core.mission import Mission, MissionKind
from open_agent.engine.base import Engine
from open_agent.events.log import EventLog
from open_agent.events.model.answer import AnswerGiven, AnswerRequested
from open_agent.events.record import Record
from open_agent.services.access.audit import Audit
from open_agent.services.control.about import Context
from open_agent.services.control.conversations import Conversations
from open_agent.store.control import ControlRows
from open_agent.tools.asking import check_answer, check_approval

APPROVAL = "approve:"
"""Before the id of a call, where leave to make it is asked for."""
ASKED = "ask:"
"""Before the id of a call that asks by another tool than ours, shown as a list of options."""
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a run asks a person.

    Attributes:
        mission_id: The mission that a person sees.
        asker_id: The mission whose run asks: that one, or one that it delegated.
    """

    mission_id: MissionId
    asker_id: MissionId
    asked: AnswerRequested

    @property
    def tool_call_id(self) -> str:
        """What it is answered by."""
        return answered_by(self.asked)


def answered_by(asked: AnswerRequested) -> str:
    """The id by which a question is answered, as clients are shown it."""
    if asked.kind == "approval":
        return f"{APPROVAL}{asked.call_id}"
    return str(asked.call_id) if is_ours(asked) else f"{ASKED}{asked.call_id}"


def is_ours(asked: AnswerRequested) -> bool:
    """Whether clients know how to show the call itself as a question."""
    return asked.name.startswith("ui_")


class Answers:
    """Shows what is asked, and takes answers."""

    def __init__(
        self,
        log: EventLog,
        rows: ControlRows,
        conversations: Conversations,
        context: Context,
        engine: Engine,
        audit: Audit,
    ) -> None:
        self._log = log
        self._rows = rows
        self._conversations = conversations
        self._context = context
        self._engine = engine
        self._audit = audit

    async def waiting(self, actor: Actor) -> list[Question]:
        """What waits for an answer of the actor's now, longest first."""
        found: list[Question] = []
        for mission in await self._rows.asking(owner=actor.user_id):
            for open_question in mission.questions:
                asked = await self._asked(mission, open_question.call_id)
                shown = await self._context.shown(actor.user_id, mission.id)
                if asked is not None and shown is not None:
                    is_task = mission.kind is MissionKind.TASK
                    shown_id = mission.id if is_task else shown.mission_id
                    found.append(Question(shown_id, mission.id, asked))
        return sorted(found, key=lambda question: question.asked.until)

    async def answer(
        self, actor: Actor, tool_call_id: str, answer: Any, mission_id: MissionId | None = None
    ) -> None:
        """Answer a question; the run that asked it goes on.

        Args:
            actor: Who answers.
            tool_call_id: What is answered: a call's id, with `approve:` before it for leave, and
                perhaps `ask:` where it asks by a tool that is not ours.
            answer: Any JSON that fits the question; of an approval, `allow` or `deny`.
            mission_id: Where it was asked; calls of two missions can have the same id.

        Raises:
            NotFound: Nobody ever asked that (`answer.unknown`), or not there
                (`mission.not_found`).
            Conflict: It is answered already, or nobody waits any more (`answer.late`).
            Invalid: The answer does not fit (`answer.invalid`).
        """
        call_id = CallId(tool_call_id.removeprefix(APPROVAL).removeprefix(ASKED))
        is_approval = tool_call_id.startswith(APPROVAL)
        places = await self._places(actor, mission_id)
        for mission in places:
            if any(question.call_id == call_id for question in mission.questions):
                asked = await self._asked(mission, call_id)
                if asked is not None and (asked.kind == "approval") is is_approval:
                    await self._give(actor, mission, asked, answer)
                    return
        for mission in places:
            if await self._asked(mission, call_id, is_approval=is_approval) is not None:
                raise _late(tool_call_id)
        raise NotFound("answer.unknown", f"No call {tool_call_id} waits for an answer.")

    async def _give(
        self, actor: Actor, mission: Mission, asked: AnswerRequested, answer: Any
    ) -> None:
        if asked.kind == "approval":
            answer = _decision(answer)
            check_approval(answer)
        else:
            check_answer(asked.arguments, answer)
        given = AnswerGiven(call_id=asked.call_id, answer=answer, by=actor.user_id)
        try:
            await self._log.append_external(
                mission.id, given, key=f"answer:{new_uuid()}", owner=actor.user_id
            )
        except NotFound as error:
            if error.code != "answer.unknown":
                raise
            raise _late(asked.call_id) from error  # The run that asked has ended meanwhile.
        self._engine.wake(mission.id)
        if asked.kind == "approval":
            details = {"mission": mission.id, "tool": asked.name, "answer": answer}
            await self._audit.record(actor, "approval.given", asked.call_id, details)

    async def _places(self, actor: Actor, mission_id: MissionId | None) -> Sequence[Mission]:
        """Where a question may have been asked, the likeliest first."""
        current = await self._conversations.current(actor)
        found = {mission.id: mission for mission in await self._rows.asking(owner=actor.user_id)}
        if current is not None:
            found = {current.id: found.get(current.id, current)} | found
        if mission_id is None:
            return list(found.values())
        named = await self._conversations.get_any(actor, mission_id)
        shown = [
            mission
            for mission in found.values()
            if (seen := await self._context.shown(actor.user_id, mission.id)) is not None
            and named.id in (mission.id, seen.mission_id)
        ]
        return [*shown, named]

    async def _asked(
        self, mission: Mission, call_id: CallId, *, is_approval: bool | None = None
    ) -> AnswerRequested | None:
        """The newest question about a call, of one kind or of any."""
        newest: AnswerRequested | None = None
        if not call_id.isascii():
            return None  # Ids of calls are; a lone surrogate cannot even be looked for.
        needle, after = f'"{call_id}"'.encode(), 0
        while page := await self._log.read_encoded(mission.id, after=after, limit=PAGE):
            for record in page:
                if record.type == "answer.requested" and needle in record.json:
                    event = Record.model_validate_json(record.json).event
                    if (
                        isinstance(event, AnswerRequested)
                        and event.call_id == call_id
                        and is_approval in (None, event.kind == "approval")
                    ):
                        newest = event
            after = page[-1].seq
        return newest


def _late(call: str) -> Conflict:
    return Conflict("answer.late", f"The call {call} has been answered already, or timed out.")


def _decision(answer: Any) -> Any:
    """An approval's answer, as lists of options give it; who clears the list does not allow it."""
    match answer:
        case [only]:
            return only
        case None | []:
            return "deny"
        case _:
            return answer
