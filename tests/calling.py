"""Calls of tools as the loop makes them: through `parse` and `invoke`."""

import json
from typing import Any

import pytest

from open_agent.tools.definition import Tool, ToolContext, ToolFailed, ToolOutput


async def call(tool: Tool, ctx: ToolContext, /, **arguments: Any) -> ToolOutput:
    """What the tool answers; its refusal is raised."""
    return await tool.invoke(ctx, tool.parse(json.dumps(arguments)))


async def refusal(tool: Tool, ctx: ToolContext, /, **arguments: Any) -> str:
    """What the tool says when it refuses, as it must."""
    with pytest.raises(ToolFailed) as refused:
        await call(tool, ctx, **arguments)
    return str(refused.value)
