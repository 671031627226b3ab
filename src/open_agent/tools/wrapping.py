"""A tool around another one: the same to whoever sees it, and different when it is called."""

from collections.abc import Mapping
from typing import Any, Generic

from open_agent.tools.definition import C, Effect, Tool, ToolOutput


class Wrapped(Generic[C]):
    """Passes everything on; what it is made for overrides `invoke`."""

    def __init__(self, tool: Tool[C]) -> None:
        self._tool = tool

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
        """Do what the tool does."""
        return await self._tool.invoke(ctx, arguments)
