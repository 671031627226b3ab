"""Tells what happens to a mission: records and live text in, styled text out.

A pure fold: the same records and live text, cut anywhere and resumed, give the same story. Live
text makes parts of it appear sooner, and shows a command's output as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pydantic_core

from open_agent.cli.rendering import calls, life
from open_agent.cli.rendering.ending import Ending, ending_line, read_ending
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.open_call import OpenCall, command_lines
from open_agent.cli.rendering.output import EVERYTHING, Folding
from open_agent.cli.rendering.people import People
from open_agent.cli.rendering.pieces import Piece, Sheet
from open_agent.cli.rendering.replies import Reply
from open_agent.core.ids import CallId, MissionId
from open_agent.events.delta import Delta
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.model_call import CostSource, ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.run import RunFinished, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import Event, UnknownEvent
from open_agent.events.record import Record

SHORT_ID = 8
CHANGING = ("write", "execute")
"""Effects whose calls are told when they begin; the others may run side by side, and are told when
they return."""


@dataclass(frozen=True, slots=True)
class Foldings:
    """How much is shown of what can be long."""

    output: Folding
    answer: Folding
    diff: Folding
    message: Folding


FOLDED = Foldings(Folding(20, 5), Folding(6), Folding(60), Folding(20))
FULL = Foldings(EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING)


class Narrator:
    """The story of one mission so far.

    Args:
        mission_id: Whose story it is.
        foldings: How much to show of long texts.
    """

    def __init__(self, mission_id: MissionId, foldings: Foldings = FOLDED) -> None:
        self._foldings = foldings
        self._full = f"`open-agent show {mission_id[:SHORT_ID]} --full` shows all"
        self._kept_in = f"blobs/{mission_id}"
        self._sheet = Sheet()
        self._reply: Reply | None = None
        self._open: dict[CallId, OpenCall] = {}
        self._headed: CallId | None = None
        self._cost_sources: set[CostSource] = set()
        self._last_text = ""
        self._last_failure = ""
        self._model = ""
        self._known_as: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        self._people = People(mission_id[:SHORT_ID])
        self.activity = "waiting for its turn"
        """What goes on at present, in a few words."""
        self.ending: Ending | None = None
        """How the newest run ended; none while one is at work."""

    def apply(self, record: Record) -> list[Piece]:
        """Tell one record."""
        match record.event:
            case ModelAsked() | ModelAnswered() | ModelFailed() as event:
                self._tell_model_call(event)
            case ToolCalled() as event:
                self._call(event)
            case ToolReturned() as event:
                self._return(event)
            case event:
                self._tell_life(event, record.at)
        return self._sheet.take()

    def apply_delta(self, delta: Delta) -> list[Piece]:
        """Tell a piece of live text; late, repeated and foreign ones are passed over."""
        if delta.kind == "output":
            call = self._open.get(delta.call_id) if delta.call_id else None
            if call is not None and delta.call_id == self._headed:
                call.write(self._sheet, delta.offset, delta.content)
        elif self._reply is not None and self._reply.step == delta.step:
            self._reply.write(self._sheet, delta.kind, delta.offset, delta.content)
            self.activity = "thinking" if delta.kind == "reasoning" else "writing"
        return self._sheet.take()

    @property
    def is_at_line_start(self) -> bool:
        """Nothing stands on the present line."""
        return self._sheet.is_at_line_start

    def _tell_model_call(self, event: ModelAsked | ModelAnswered | ModelFailed) -> None:
        if isinstance(event, ModelAsked):
            self._ask(event)
            return
        self._cost_sources.add(event.cost_source)
        if event.purpose == "subagent":
            life.tell_subagent(self._sheet, event, self._foldings.answer, self._full)
            return
        reply, self._reply = self._reply, None
        if event.purpose == "compaction":
            return
        reply = reply or Reply(event.step)
        if isinstance(event, ModelAnswered):
            reply.finish(self._sheet, reasoning=event.reasoning, text=event.text)
            self._last_text = event.text
            self._wanted = {call.call_id: call.arguments for call in event.tool_calls}
            if event.model != self._known_as.get(self._model, self._model):
                life.tell_model(self._sheet, f"{neutral(event.model)} answered")
                self._known_as[self._model] = event.model
        else:
            reply.finish(self._sheet, reasoning="", text=event.partial_text)
            life.tell_failure(self._sheet, event)
            self._last_failure = event.message
        self.activity = "deciding"

    def _ask(self, event: ModelAsked) -> None:
        if event.purpose == "compaction":
            self.activity = "shortening the history"
            return
        if self._model and event.model != self._model:
            life.tell_model(self._sheet, f"going on with {neutral(event.model)}")
        self._model = event.model
        self._reply = Reply(event.step)
        again = f", try {event.attempt}" if event.attempt > 1 else ""
        self.activity = f"{neutral(event.model)} is asked (step {event.step}{again})"

    def _call(self, event: ToolCalled) -> None:
        call = OpenCall(event.name, event.arguments, self._foldings.output)
        call.is_inner = event.within is not None
        self._open[event.call_id] = call
        self.activity = calls.brief(event.name, event.arguments)
        if event.effect in CHANGING:
            self._head(event.call_id, call)

    def _head(self, call_id: CallId, call: OpenCall) -> None:
        self._sheet.gap()
        mark = [Piece("↳ ", "faint")] if call.is_inner else []
        self._sheet.line(*mark, *calls.heading(call.name, call.arguments))
        self._headed = call_id

    def _return(self, event: ToolReturned) -> None:
        call = self._open.pop(event.call_id, None)
        if self._headed != event.call_id:
            wanted = _arguments(self._wanted.get(event.call_id, ""))
            again = call or OpenCall(event.name, wanted, self._foldings.output)
            again.is_inner = event.within is not None
            self._head(event.call_id, again)
        self._tell_answer(event, call)
        calls.show_end(self._sheet, event, self._kept_in)
        self._sheet.gap()
        others = list(self._open.values())
        self.activity = calls.brief(others[-1].name, others[-1].arguments) if others else "deciding"

    def _tell_answer(self, event: ToolReturned, call: OpenCall | None) -> None:
        sheet, folds = self._sheet, self._foldings
        if event.diff is None and call is not None:
            calls.show_attempt(sheet, call.name, call.arguments)
        if event.name in calls.COMMANDS:
            text = "\n".join(command_lines(event.content))
        else:
            text = event.content
        if call is not None and call.has_output:
            call.finish(sheet, text, self._full)
        elif event.diff is None or event.outcome != "ok":
            is_long = event.name in calls.COMMANDS or event.outcome != "ok"
            calls.show_text(sheet, text, folds.output if is_long else folds.answer, self._full)
        if event.diff is not None:
            calls.show_diff(sheet, event.diff, folds.diff, self._full)

    def _tell_life(self, event: Event | UnknownEvent, at: datetime) -> None:
        """Tell how the run fares, or what was said."""
        match event:
            case RunStarted():
                self._model, self._last_text, self.ending = event.model, "", None
                self._people.begin(self._sheet, event)
                life.tell_start(self._sheet, event)
                self.activity = "starting"
            case RunWaiting():
                self.activity = life.tell_wait(self._sheet, event, at, self._last_failure)
            case RunFinished():
                self._end(event)
            case MessageReceived():
                life.tell_message(self._sheet, event, self._foldings.message, self._full)
                self._people.hear(event)
            case UnknownEvent():
                self._end(event)
                if self.ending is None:
                    life.tell_unknown(self._sheet, event)
            case _:
                life.tell(self._sheet, event, self._foldings.answer, self._full)
                self._people.tell(self._sheet, event, at)

    def _end(self, event: RunFinished | UnknownEvent) -> None:
        self.ending = ending = read_ending(event)
        if ending is None:
            return
        self._people.end()
        result = ending.result.strip()
        if result not in {"", self._last_text.strip(), self._last_failure.strip()}:
            self._sheet.gap()
            self._sheet.line(Piece(neutral(result)))
        self._sheet.gap()
        self._sheet.line(*ending_line(ending, self._cost_sources))
        self._sheet.gap()
        self.activity = ""


def _arguments(text: str) -> Mapping[str, Any]:
    """What the model wanted of a call that was never made; nothing, if that cannot be read."""
    try:
        value = pydantic_core.from_json(text or "{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
