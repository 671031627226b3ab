"""Git in one directory, deaf to the programs that the repository there names."""

from collections.abc import Callable, Mapping
from pathlib import Path

from open_agent.events.model.base import BlobRef
from open_agent.tools.clipping import SHOWN, left_out
from open_agent.tools.definition import ToolContext, ToolFailed, ToolOutput
from open_agent.tools.git.calling import KEPT, GitAnswer, call_git
from open_agent.tools.git.defence import (
    ASKED_FOR,
    ENVIRONMENT,
    Configuration,
    read_configuration,
)
from open_agent.tools.plain_text import from_file
from open_agent.tools.spill import CAP, Spill

NO_MATCH = 1
"""With which `git config` ends when there is no such key."""
READ_ONLY = {"GIT_OPTIONAL_LOCKS": "0"}
"""Not even the index is brought up to date on the side."""


class Git:
    """Git in one directory.

    Args:
        ctx: Of the call.
        folder: Where it is run.
        configuration: What `open_git` found there.
    """

    def __init__(self, ctx: ToolContext, folder: Path, configuration: Configuration) -> None:
        self.ctx = ctx
        self.folder = folder
        self.configuration = configuration
        self._environment = configuration.overrides()

    @property
    def filters_note(self) -> str:
        """What to say of filters that did not run where files are compared."""
        names = ", ".join(from_file(name)[:80] for name in self.configuration.foreign_filters)
        if not names:
            return ""
        return (
            f"[Filters that the repository configures ({names}) did not run: files that they"
            " change may look changed.]"
        )

    async def look(self, *arguments: str) -> GitAnswer:
        """Run a git command that only reads; what is too long to show is kept.

        Raises:
            ToolFailed: It could not do it.
        """
        environment = self._environment | READ_ONLY
        spill = Spill(self.ctx)
        answer = await call_git(self.ctx, self.folder, arguments, environment, spill=spill)
        return answer.checked()

    async def change(self, *arguments: str, env: Mapping[str, str] | None = None) -> GitAnswer:
        """Run a git command that changes something.

        Raises:
            ToolFailed: It could not do it.
        """
        environment = {**self._environment, **(env or {})}
        return (await call_git(self.ctx, self.folder, arguments, environment)).checked()

    async def exit_code_of(self, *arguments: str) -> int:
        """How a git command ends that only reads."""
        environment = self._environment | READ_ONLY
        return (await call_git(self.ctx, self.folder, arguments, environment)).exit_code

    async def stream(self, take: Callable[[bytes], None], *arguments: str) -> None:
        """Hand on what git says as it comes, of any length.

        Raises:
            ToolFailed: It could not say.
        """
        environment = self._environment | READ_ONLY
        answer = await call_git(self.ctx, self.folder, arguments, environment, take=take)
        answer.checked()

    async def ask(self, *arguments: str) -> bytes:
        """What git says, where all of it is needed.

        Raises:
            ToolFailed: It could not say, or it is too much.
        """
        environment = self._environment | READ_ONLY
        answer = await call_git(self.ctx, self.folder, arguments, environment)
        if answer.checked().is_cut:
            raise ToolFailed(
                f"git {arguments[0]} says more than {KEPT:,} bytes here. Use run_command."
            )
        return answer.head

    def show(self, answer: GitAnswer, empty: str, *, note: str = "") -> ToolOutput:
        """An answer as the model is shown it."""
        text = from_file(answer.head.decode("utf-8", "replace")).rstrip("\n") or empty
        if answer.is_cut or len(text) > SHOWN:
            shown = text[:SHOWN]
            shown = shown[: shown.rfind("\n", SHOWN - 500) + 1] or shown
            hidden = max(len(text) - len(shown), answer.size - len(shown.encode()))
            text = f"{shown}{left_out(hidden, self._where(answer.spilled))}".rstrip("\n")
        return ToolOutput("\n\n".join(filter(None, (text, note))), spilled=answer.spilled)

    def _where(self, spilled: BlobRef | None) -> str:
        if spilled is None:
            return "Ask for less at once."
        what = "All of it is" if spilled.size < CAP else f"The first {CAP:,} bytes are"
        path = self.ctx.blobs.path(self.ctx.mission_id, spilled)
        return f"{what} in {path}: read_file or grep_search."


async def open_git(ctx: ToolContext, repo_path: str | None) -> Git:
    """Git in a directory, by default the working directory.

    Raises:
        ToolFailed: It cannot be run there.
    """
    folder = ctx.workspace.resolve(repo_path) if repo_path else ctx.workspace.root
    # Only reading configuration runs nothing, so nothing has to be out of force yet.
    arguments = ["config", "-z", "--show-scope", "--get-regexp", ASKED_FOR]
    answer = await call_git(ctx, folder, arguments, ENVIRONMENT)
    if answer.exit_code != NO_MATCH:
        answer.checked()
    if answer.is_cut:
        raise ToolFailed(
            f"The configuration of the repository in {folder} names programs in more than"
            f" {KEPT:,} bytes. No git tool works with it."
        )
    return Git(ctx, folder, read_configuration(answer.head))
