"""What a tool is called with."""

from tests.tool_context import ctx, isolation_kind, mark, processes, root

__all__ = ["ctx", "isolation_kind", "mark", "processes", "root"]
