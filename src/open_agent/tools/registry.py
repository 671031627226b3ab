"""The tools that a model is given, under their names.

Cross-cutting behaviour (clipping, approval) is a small class around a tool; nothing here or in the
loop asks which tool it is.
"""

import difflib
from collections.abc import Iterable
from typing import Any, Generic

from open_agent.tools.definition import C, Tool


class Toolbox(Generic[C]):
    """A set of tools in a fixed order, so that what a provider has cached stays valid."""

    def __init__(self, tools: Iterable[Tool[C]]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return list(self._tools)

    def get(self, name: str) -> Tool[C] | None:
        """The tool of that name."""
        return self._tools.get(name)

    def schemas(self) -> list[dict[str, Any]]:
        """Their definitions in the OpenAI function format, in order."""
        return [tool.schema for tool in self._tools.values()]

    def near(self, name: str) -> list[str]:
        """Names that may have been meant by one that does not exist, the likeliest first."""
        return difflib.get_close_matches(name[:80].lower(), self._tools, n=3, cutoff=0.5)
