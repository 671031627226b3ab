"""A model's reply as it is written, and the rest of it once it is complete."""

from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.pieces import Sheet, Style

_STYLES: dict[str, Style] = {"reasoning": "faint", "text": "plain"}


class Reply:
    """What was shown of one model call's reply."""

    def __init__(self, step: int) -> None:
        self.step = step
        self._shown: dict[str, str] = {}
        self._last: str | None = None

    def write(self, sheet: Sheet, kind: str, offset: int, content: str) -> None:
        """Show a piece that begins after `offset` characters; what was shown is not repeated."""
        shown = self._shown.get(kind, "")
        if offset + len(content) <= len(shown):
            return
        gap = ""
        if offset > len(shown):
            gap = "…"
            shown = shown.ljust(offset, "\0")
        fresh = content[len(shown) - offset :]
        self._shown[kind] = shown + fresh
        self._put(sheet, kind, gap + fresh)

    def finish(self, sheet: Sheet, *, reasoning: str, text: str) -> None:
        """Show what is missing of the complete reply, or all of it where it came out otherwise."""
        for kind, whole in (("reasoning", reasoning), ("text", text)):
            shown = self._shown.get(kind, "")
            if whole.startswith(shown):
                self._put(sheet, kind, whole[len(shown) :].rstrip() if whole.strip() else "")
            else:
                sheet.gap()
                self._put(sheet, kind, whole.rstrip())
        sheet.end_line()

    def _put(self, sheet: Sheet, kind: str, text: str) -> None:
        if not text:
            return
        if kind != self._last:
            sheet.end_line()
            sheet.gap()
            self._last = kind
        sheet.text(neutral(text), _STYLES.get(kind, "plain"))
