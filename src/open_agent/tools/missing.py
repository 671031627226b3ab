"""What to say of a file that is not there."""

import difflib

from open_agent.tools.definition import ToolContext

LOOKED_AT = 2_000
"""Names of a directory that are compared."""


async def not_found(ctx: ToolContext, path: str) -> str:
    """That `path` does not exist, where that was looked for, and which names are near."""
    file = ctx.workspace.resolve(path)
    where = "" if str(file) == path else f" (that is {file})"
    try:
        siblings = await ctx.workspace.list(file.parent, limit=LOOKED_AT)
    except OSError:
        return f"Not found: {path}{where}. Its directory does not exist either."
    names = [entry.name for entry in siblings.entries]
    near = difflib.get_close_matches(file.name, names, n=3, cutoff=0.6)
    hint = f"There is {', '.join(near)}." if near else "Look with list_directory or search_files."
    return f"Not found: {path}{where}. {hint}"
