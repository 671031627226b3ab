"""The history of a git repository."""

from typing import Annotated

from pydantic import Field

from open_agent.tools.definition import Effect, ToolContext, ToolOutput, tool
from open_agent.tools.git.running import open_git


@tool(effect=Effect.READ, timeout=60)
async def git_log(
    ctx: ToolContext,
    repo_path: str | None = None,
    num_commits: Annotated[int, Field(ge=1, le=1000)] = 10,
    oneline: bool = True,
) -> ToolOutput:
    """Show the newest commits of a git repository.

    Args:
        repo_path: Where the repository is; by default the working directory.
        num_commits: How many.
        oneline: One line each; otherwise with author, date and the whole message.
    """
    git = await open_git(ctx, repo_path)
    answer = await git.look(
        "log",
        f"--max-count={num_commits}",
        # Named, for the repository may have a format that asks for signatures to be checked.
        f"--format={'oneline' if oneline else 'medium'}",
        *(["--abbrev-commit"] if oneline else []),
        "--decorate=short",
        "--no-show-signature",
        "--no-patch",
        "--no-color",
        "--encoding=UTF-8",
        "--",
    )
    return git.show(answer, "No commits")
