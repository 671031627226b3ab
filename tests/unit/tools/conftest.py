"""What a tool is called with."""

from tests.tool_context import ctx, mark, processes, root

__all__ = ["ctx", "mark", "processes", "root"]
