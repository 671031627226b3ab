"""Questions of runs, as the server lists them, in a line each."""

from typing import Any

from open_agent.cli.rendering.calls import heading
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.pieces import plain


def asked(question: dict[str, Any]) -> str:
    """What a question is about."""
    what = neutral(plain(heading(question["name"], question["args"])).replace("\n", " "))
    return f"May this be done: {what}" if question["kind"] == "approval" else what
