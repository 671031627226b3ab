"""Tools of which a call may be forbidden; who decides it is not known here."""

from collections.abc import Callable, Mapping
from typing import Any, Generic

from open_agent.tools.definition import C, Effect, Tool, ToolFailed, ToolOutput
from open_agent.tools.registry import Toolbox

Judge = Callable[[str, Effect, Mapping[str, Any]], str | None]
"""Told a tool's name and effect and a call's arguments, says why it must not be made, if so."""


class Ruled(Generic[C]):
    """A tool whose calls are judged before they are made."""

    def __init__(self, tool: Tool[C], judge: Judge) -> None:
        self._tool = tool
        self._judge = judge

    @property
    def name(self) -> str:
        """The tool's name."""
        return self._tool.name

    @property
    def effect(self) -> Effect:
        """The tool's effect."""
        return self._tool.effect

    @property
    def schema(self) -> dict[str, Any]:
        """The tool's definition."""
        return self._tool.schema

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """The arguments as the tool wants them."""
        return self._tool.parse(arguments_json)

    async def invoke(self, ctx: C, arguments: Mapping[str, Any]) -> ToolOutput:
        """Do it, unless it is forbidden."""
        if why := self._judge(self.name, self.effect, arguments):
            raise ToolFailed(why)
        return await self._tool.invoke(ctx, arguments)


def ruled(tools: Toolbox[C], judge: Judge) -> Toolbox[C]:
    """A set of tools whose calls are judged."""
    found = (tools.get(name) for name in tools.names)
    return Toolbox(Ruled(tool, judge) for tool in found if tool is not None)
