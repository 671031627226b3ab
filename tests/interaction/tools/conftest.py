"""What a tool is called with."""

from tests.tool_context import ctx, isolation, isolation_kind, mark, processes, root

__all__ = ["ctx", "isolation", "isolation_kind", "mark", "processes", "root"]
