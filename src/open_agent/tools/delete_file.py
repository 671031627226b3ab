"""Deleting one file."""

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, tool
from open_agent.tools.missing import not_found


@tool(effect=Effect.WRITE, timeout=20)
async def delete_file(ctx: ToolContext, path: str) -> str:
    """Delete one file or link. There is no way back.

    Args:
        path: Absolute, or relative to the working directory.
    """
    file = ctx.workspace.resolve(path)
    try:
        await ctx.workspace.delete(file)
    except FileNotFoundError:
        raise ToolFailed(await not_found(ctx, path)) from None
    except IsADirectoryError:
        raise ToolFailed(
            f"{file} is a directory. Delete directories with `rm -r` in run_command."
        ) from None
    return f"Deleted {file}."
