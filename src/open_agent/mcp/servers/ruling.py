"""Tools of which a call may be forbidden; who decides it is not known here."""

from collections.abc import Callable, Mapping
from typing import Any

from open_agent.tools.definition import C, Effect, Tool, ToolFailed, ToolOutput
from open_agent.tools.registry import Toolbox
from open_agent.tools.wrapping import Wrapped

Judge = Callable[[str, Effect, Mapping[str, Any]], str | None]
"""Told a tool's name and effect and a call's arguments, says why it must not be made, if so."""


class Ruled(Wrapped[C]):
    """A tool whose calls are judged before they are made."""

    def __init__(self, tool: Tool[C], judge: Judge) -> None:
        super().__init__(tool)
        self._judge = judge

    async def invoke(self, ctx: C, arguments: Mapping[str, Any]) -> ToolOutput:
        """Do it, unless it is forbidden."""
        if why := self._judge(self.name, self.effect, arguments):
            raise ToolFailed(why)
        return await super().invoke(ctx, arguments)


def ruled(tools: Toolbox[C], judge: Judge) -> Toolbox[C]:
    """A set of tools whose calls are judged."""
    found = (tools.get(name) for name in tools.names)
    return Toolbox(Ruled(tool, judge) for tool in found if tool is not None)
