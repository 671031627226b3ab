"""What people do to a mission beside speaking to it, and what a run asks of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import pydantic_core

from open_agent.cli.rendering.calls import heading
from open_agent.cli.rendering.facts import duration
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.pieces import Piece, Sheet
from open_agent.core.ids import MessageId
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionStatusChanged
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import RunStarted
from open_agent.events.model.union import Event

LONGEST_LINE = 100
"""Characters of a message that is only named."""


class People:
    """Tells it, and remembers what messages say.

    Args:
        short_id: The beginning of the mission's id, for commands to type.
    """

    def __init__(self, short_id: str) -> None:
        self._short_id = short_id
        self._said: dict[MessageId, str] = {}
        self._newest: MessageId | None = None

    def hear(self, event: MessageReceived) -> None:
        """Remember a message, which has just been told."""
        self._said[event.message_id] = event.content
        self._newest = event.message_id

    def begin(self, sheet: Sheet, event: RunStarted) -> None:
        """Tell which messages a run carries out, where that is not plain: some had to wait."""
        taken = [name for name in event.message_ids if name in self._said]
        if taken and taken != [self._newest]:
            sheet.gap()
            for name in taken:
                sheet.line(Piece(f"Now: {self._named(name)}", "strong"))
        self._newest = None

    def end(self) -> None:
        """A run's end was told: what was said before it is no longer what was said last."""
        self._newest = None

    def tell(self, sheet: Sheet, event: Event, at: datetime) -> None:
        """Tell an event; all others are passed over."""
        match event:
            case AnswerRequested():
                self._ask(sheet, event, at)
            case AnswerGiven():
                _aside(sheet, f"› (answer) {_shown(event.answer)}", is_said=True)
            case AnswerDefaulted():
                _aside(sheet, "… Nobody answered in time.")
            case MissionStatusChanged(by="agent"):
                pass  # The call of its tool has just said so.
            case MissionStatusChanged():
                what = f": {neutral(event.summary.strip())}" if event.summary else ""
                _aside(sheet, f"■ Mission {event.status} ({event.by}){what}")
            case MessageEdited() | MessageMoved() | MessageRemoved() | QueueReleased():
                self._tell_queue(sheet, event)
            case _:
                pass

    def _ask(self, sheet: Sheet, event: AnswerRequested, at: datetime) -> None:
        sheet.gap()
        options = _options(event.arguments)
        if event.kind == "approval":
            sheet.line(Piece(f"? May this be done? ({neutral(event.reason)})", "warn"))
            sheet.line(Piece("  "), *heading(event.name, event.arguments))
        elif options is not None:
            sheet.line(Piece(f"? {neutral(str(event.arguments.get('title', event.name)))}", "warn"))
            for name, label in options:
                sheet.line(Piece(f"    {neutral(name)}", "strong"), Piece(f"  {neutral(label)}"))
        else:
            sheet.line(Piece("? ", "warn"), *heading(event.name, event.arguments))
        answer = "allow` or `deny" if event.kind == "approval" else "ANSWER"
        span = duration(max(0.0, (event.until - at).total_seconds()))
        otherwise = (
            "it goes on without an answer"
            if event.default is None
            else f"the answer is {_shown(event.default)}"
        )
        text = f"  `open-agent answer {self._short_id} {answer}`; after {span} {otherwise}."
        sheet.line(Piece(text, "faint"))
        sheet.gap()

    def _tell_queue(
        self,
        sheet: Sheet,
        event: MessageEdited | MessageMoved | MessageRemoved | QueueReleased,
    ) -> None:
        match event:
            case MessageEdited():
                before = self._named(event.message_id)
                self._said[event.message_id] = event.content
                _aside(sheet, f"› (instead of: {before}) {neutral(event.content.strip())}", True)
            case MessageMoved(before=None):
                _aside(sheet, f"(waits as the last now: {self._named(event.message_id)})")
            case MessageMoved():
                _aside(
                    sheet,
                    f"(waits before “{self._named(event.before)}” now: "
                    f"{self._named(event.message_id)})",
                )
            case MessageRemoved():
                _aside(sheet, f"(taken out of the queue: {self._named(event.message_id)})")
            case QueueReleased():
                _aside(sheet, "(the queue goes on)")

    def _named(self, message_id: MessageId | None) -> str:
        text = self._said.get(message_id, "") if message_id else ""
        line = neutral(text.strip()).partition("\n")[0]
        return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"


def _options(arguments: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """What can be chosen, where the question is a choice: ids and labels."""
    options = arguments.get("options")
    if not isinstance(options, list):
        return None
    found: list[tuple[str, str]] = []
    for option in cast("list[object]", options):
        if not isinstance(option, dict):
            return None
        fields = cast("dict[str, Any]", option)
        found.append((str(fields.get("id", "")), str(fields.get("label", ""))))
    return found


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else pydantic_core.to_json(value).decode()
    return neutral(text)


def _aside(sheet: Sheet, text: str, is_said: bool = False) -> None:
    sheet.gap()
    sheet.line(Piece(text, "strong" if is_said else "faint"))
    sheet.gap()
