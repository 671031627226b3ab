"""Recording changes in a git repository."""

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, ToolOutput, tool
from open_agent.tools.git.running import Git, open_git
from open_agent.tools.git.staging import stage
from open_agent.tools.plain_text import from_file

LONGEST_MESSAGE = 100_000
AUTHOR = {"name": "Open Agent", "email": "open-agent@localhost"}
"""Where nobody has said who commits."""
HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit")
LOOKED_AT = 200
SHOWN_NAMES = 20


@tool(effect=Effect.WRITE, timeout=120)
async def git_commit(
    ctx: ToolContext, message: str, repo_path: str | None = None, files: list[str] | None = None
) -> ToolOutput:
    """Stage files and commit them. The repository's hooks do not run.

    Args:
        message: The commit message.
        repo_path: Where the repository is; by default the working directory.
        files: What to stage, relative to `repo_path`; by default everything that changed.
    """
    _check(message)
    git = await open_git(ctx, repo_path)
    if filters := git.configuration.foreign_filters:
        raise ToolFailed(
            f"The repository configures filters ({_list(filters)}) that decide what is stored, by"
            " commands of its own. Read them with `git config --get-regexp '^filter'`; if they"
            " can be trusted, commit with run_command."
        )
    left_out = await stage(git, files or [])
    notes: list[str] = []
    if left_out:
        notes.append(
            f"Left out, for they may hold secrets: {_list(left_out)}. Name them in `files` to"
            " commit them."
        )
    if await _has_nothing_staged(git):
        return ToolOutput("\n".join(["Nothing to commit: nothing has changed.", *notes]))
    answer = await git.change(
        "commit", "--cleanup=whitespace", f"--message={message}", env=_author(git)
    )
    if hooks := await _hooks(git):
        notes.append(f"Hooks did not run: {_list(hooks)}.")
    return git.show(answer, "", note="\n".join(notes))


def _check(message: str) -> None:
    if not message.strip():
        raise ToolFailed("The commit message is empty.")
    if "\0" in message:
        raise ToolFailed("The commit message holds a NUL character.")
    if len(message) > LONGEST_MESSAGE:
        raise ToolFailed(f"The commit message is longer than {LONGEST_MESSAGE:,} characters.")


async def _has_nothing_staged(git: Git) -> bool:
    # Asked first: `git commit` itself would look into submodules in order to explain.
    code = await git.exit_code_of(
        "diff", "--cached", "--quiet", "--no-ext-diff", "--ignore-submodules=dirty"
    )
    return code == 0


def _author(git: Git) -> dict[str, str]:
    """Environment variables for what git's configuration does not say of who commits."""
    known = git.configuration
    return {
        f"GIT_{role.upper()}_{field.upper()}": value
        for role in ("author", "committer")
        for field, value in AUTHOR.items()
        if f"user.{field}" not in known and f"{role}.{field}" not in known
    }


async def _hooks(git: Git) -> list[str]:
    """Those that would have run for a commit."""
    listed = await git.ask(
        "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir"
    )
    top, common = (line.decode("utf-8", "surrogateescape") for line in listed.split(b"\n")[:2])
    path = git.configuration.hooks_path
    folder = (
        git.ctx.workspace.resolve(top) / path
        if path
        else git.ctx.workspace.resolve(common) / "hooks"
    )
    try:
        entries = await git.ctx.workspace.list(folder, limit=LOOKED_AT)
    except OSError:
        return []
    return [entry.name for entry in entries.entries if entry.name in HOOKS]


def _list(names: list[str]) -> str:
    shown = ", ".join(from_file(name)[:200] for name in names[:SHOWN_NAMES])
    return f"{shown} and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else shown
