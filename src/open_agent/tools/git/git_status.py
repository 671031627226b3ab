"""What has changed in a git repository."""

from open_agent.tools.definition import Effect, ToolContext, ToolOutput, tool
from open_agent.tools.git.running import open_git


@tool(effect=Effect.READ, timeout=60)
async def git_status(ctx: ToolContext, repo_path: str | None = None) -> ToolOutput:
    """Show the branch and the changed files of a git repository (porcelain v2).

    Args:
        repo_path: Where the repository is; by default the working directory.
    """
    git = await open_git(ctx, repo_path)
    answer = await git.look("status", "--porcelain=v2", "--branch", "--ignore-submodules=dirty")
    lines = answer.head.splitlines()
    is_clean = all(line.startswith(b"# ") for line in lines)
    return git.show(answer, "", note="Nothing has changed." if is_clean else git.filters_note)
