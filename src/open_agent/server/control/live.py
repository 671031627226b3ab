"""Text that is being written, as the control stream shows it.

Pieces, for clients that add them up; and for the original's, which know none, the whole of it so
far as `thinking`, less often the longer it is.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from open_agent.core.actor import Actor
from open_agent.core.ids import MissionId
from open_agent.core.mission import MissionKind
from open_agent.engine.feed import LiveText
from open_agent.events.delta import Delta
from open_agent.server.control.events import (
    ErrorEvent,
    OutputDelta,
    ReasoningDelta,
    TextDelta,
    Thinking,
)
from open_agent.server.frames import frame, to_json
from open_agent.services.control.about import Context, Shown

THINKING_SECONDS = 0.1
"""Between two whole texts of one reply."""
THINKING_BYTES_A_SECOND = 200_000
"""Of whole texts: a long one is told less often."""


class LiveFrames:
    """One reader's view of what is being written."""

    def __init__(self, context: Context, actor: Actor) -> None:
        self._context = context
        self._actor = actor
        self._told: dict[int, tuple[int, float]] = {}
        """By text: how much of it was told, and when the next time is."""
        self.due_in: float | None = None
        """Seconds after which there is more to tell, if nothing else comes."""

    async def pieces(self, deltas: Sequence[Delta]) -> bytes:
        """What has been added."""
        found: list[bytes] = []
        for delta in deltas:
            shown = await self._shown(delta.mission_id)
            if shown is None:
                continue
            place: dict[str, Any] = _place(shown, delta.mission_id) | {
                "run_id": delta.run_id,
                "step": delta.step,
                "offset": delta.offset,
                "content": delta.content,
            }
            match delta.kind:
                case "text":
                    found.append(frame(b"text_delta", to_json(TextDelta(**place))))
                case "reasoning":
                    found.append(frame(b"reasoning_delta", to_json(ReasoningDelta(**place))))
                case "output":
                    event = OutputDelta(tool_call_id=delta.call_id, **place)
                    found.append(frame(b"output_delta", to_json(event)))
        return b"".join(found)

    async def wholes(self, live: Sequence[LiveText]) -> bytes:
        """Whole texts whose time has come."""
        now, found, due = asyncio.get_running_loop().time(), list[bytes](), list[float]()
        for text in live:
            length = sum(each.length for kind, each in text.texts.items() if kind != "output")
            told, next_time = self._told.get(text.number, (0, 0.0))
            if length <= told:
                continue
            if next_time > now:
                due.append(next_time - now)
                continue
            shown = await self._shown(text.source.mission_id)
            if shown is None or shown.kind is not MissionKind.MISSION:
                continue
            content = _whole(text)
            event = Thinking(content=content, done=False, mission_id=shown.mission_id)
            found.append(frame(b"thinking", to_json(event)))
            pause = max(THINKING_SECONDS, len(content) / THINKING_BYTES_A_SECOND)
            self._told[text.number] = (length, now + pause)
        numbers = {text.number for text in live}
        self._told = {n: told for n, told in self._told.items() if n in numbers}
        self.due_in = min(due, default=None)
        return b"".join(found)

    async def _shown(self, mission_id: MissionId) -> Shown | None:
        shown = await self._context.shown(self._actor.user_id, mission_id)
        return None if shown is None or shown.kind is MissionKind.TASK else shown


def notice_frames(notices: Sequence[str]) -> bytes:
    """What only those are told who follow now."""
    return b"".join(frame(b"error", to_json(ErrorEvent(message=text))) for text in notices)


def _place(shown: Shown, mission_id: str) -> dict[str, Any]:
    place: dict[str, Any] = {"mission_id": shown.mission_id}
    return place | ({"child_id": mission_id} if shown.kind is MissionKind.CHILD else {})


def _whole(text: LiveText) -> str:
    parts = [text.texts[kind].since(0)[1] for kind in ("reasoning", "text") if kind in text.texts]
    return "\n\n".join(part for part in parts if part and not part.isspace())
