"""Text cut to what a model should be shown: at characters, from the middle, and saying so."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from open_agent.tools.definition import ToolContext, ToolOutput
from open_agent.tools.wrapping import Wrapped

SHOWN = 30_000
"""Characters of one answer that a model is shown."""
DIFF_SHOWN = 20_000


def clip(text: str, limit: int = SHOWN, *, advice: str = "") -> str:
    """Text of about `limit` characters at most, its beginning and its end.

    Args:
        text: What may be too long.
        limit: Characters to keep.
        advice: How to get what is left out, as a sentence.
    """
    if len(text) <= limit:
        return text
    head = _cut_after_line(text[: limit // 2])
    tail = _cut_before_line(text[-(limit // 2) :])
    return f"{head}{left_out(len(text) - len(head) - len(tail), advice)}{tail}"


def left_out(characters: int, advice: str = "") -> str:
    """The line that stands for what is not shown."""
    said = f" {advice}" if advice else ""
    return f"\n[… {characters:,} characters left out.{said} …]\n"


def _cut_after_line(head: str) -> str:
    end = head.rfind("\n", len(head) - 500)
    return head[:end] if end >= 0 else head


def _cut_before_line(tail: str) -> str:
    start = tail.find("\n", 0, 500)
    return tail[start + 1 :] if start >= 0 else tail


class Clipped(Wrapped[ToolContext]):
    """A tool whose answers are never too long to show or to record, whatever it does."""

    async def invoke(self, ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolOutput:
        """Do it, and clip what comes of it."""
        output = await super().invoke(ctx, arguments)
        diff = clip(output.diff, DIFF_SHOWN) if output.diff else output.diff
        # Tools that clip by themselves add a line or two about it.
        return replace(output, content=clip(output.content, SHOWN + 2_000), diff=diff)
