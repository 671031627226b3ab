"""How files in a git repository have changed."""

from open_agent.tools.definition import Effect, ToolContext, ToolOutput, tool
from open_agent.tools.git.running import open_git


@tool(effect=Effect.READ, timeout=60)
async def git_diff(
    ctx: ToolContext, repo_path: str | None = None, staged: bool = False, file: str | None = None
) -> ToolOutput:
    """Show uncommitted changes of a git repository. New files show when they are staged.

    Args:
        repo_path: Where the repository is; by default the working directory.
        staged: Compare what is staged with the last commit, not the files with what is staged.
        file: Only this file or directory, relative to `repo_path`.
    """
    git = await open_git(ctx, repo_path)
    answer = await git.look(
        "diff",
        # Git's own flags against programs of the repository, beside ours.
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--ignore-submodules=dirty",
        "--submodule=short",
        *(["--cached"] if staged else []),
        "--",
        *([file] if file else []),
    )
    return git.show(answer, "No changes", note=git.filters_note)
