"""Git for workspaces: run through the port of isolation, with a repository's own programs disabled.

`tools/git/` does the same for a model's calls; what it knows of defending is used here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from open_agent.core.errors import Conflict, Unavailable
from open_agent.tools.git.defence import (
    ASKED_FOR,
    ENVIRONMENT,
    FIXED,
    Configuration,
    read_configuration,
)
from open_agent.tools.plain_text import from_file
from open_agent.workspaces.environment import process_environment
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import SERVER, Process, ProcessOwner

KEPT = 1024 * 1024
"""Bytes of an answer that are kept, where nothing else is said."""
COMPLAINT = 8_000
SECONDS = 60.0
"""What a call gets that only looks."""
NO_MATCH = 1
READ_ONLY = {"GIT_OPTIONAL_LOCKS": "0"}
NO_LFS = {"GIT_LFS_SKIP_SMUDGE": "1"}
"""Large files are fetched when somebody asks for them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said."""

    exit_code: int
    output: bytes
    is_cut: bool
    complaint: str

    @property
    def text(self) -> str:
        """Its output as text, without the last line break; `shown` of it for a person."""
        return self.output.decode("utf-8", "surrogateescape").rstrip("\n")


class GitFailed(Exception):
    """Git could not do it; the message is its own."""

    def __init__(self, answer: Answer, command: str) -> None:
        said = answer.complaint or from_file(answer.output[:2_000].decode("utf-8", "replace"))
        super().__init__(said.strip() or f"git {command} ended with {answer.exit_code}")


Hear = Callable[[str], None]
"""Takes what git says on the side, line by line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take.

    Attributes:
        seconds: After them it is ended.
        kept: Bytes of its output that are kept; with `stops`, more than that ends it.
    """

    seconds: float = SECONDS
    kept: int = KEPT
    stops: bool = False


LOOKING = Limits()


class GitProgram:
    """Starts git."""

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    async def call(
        self,
        folder: Path,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        limits: Limits = LOOKING,
        owner: ProcessOwner = SERVER,
        hear: Hear | None = None,
    ) -> Answer:
        """Run git in a folder; whatever comes of it is the answer.

        Raises:
            Conflict: The folder is not there (`workspace.gone`).
            Unavailable: There is no git, or it did not end in time.
        """
        program = self._isolation.program("git")
        environment = process_environment(self._isolation.environment()) | dict(env)
        try:
            process = await self._isolation.start(
                [program, "--no-pager", *arguments], cwd=folder, env=environment, owner=owner
            )
        except FileNotFoundError as error:
            if error.filename == program:
                raise Unavailable(
                    "git.missing", "git is not installed on this machine. Install it."
                ) from None
            raise _gone(folder) from None
        except (NotADirectoryError, PermissionError):
            raise _gone(folder) from None
        try:
            with anyio.fail_after(limits.seconds):
                return await _follow(process, limits, hear)
        except TimeoutError:
            raise Unavailable(
                "git.too_slow",
                f"git {arguments[0]} was ended after {limits.seconds:.0f} s.",
            ) from None
        finally:
            with anyio.CancelScope(shield=True):
                if not process.is_gone:
                    await process.terminate()
            process.release()

    async def repository(self, folder: Path, *, owner: ProcessOwner = SERVER) -> "Repository":
        """Git in a repository.

        Raises:
            GitFailed: It is none, or one that git does not trust.
            Conflict: The folder is not there.
        """
        # Only reading configuration runs nothing, so nothing has to be out of force yet.
        arguments = ["config", "-z", "--show-scope", "--get-regexp", ASKED_FOR]
        answer = await self.call(folder, arguments, ENVIRONMENT, owner=owner)
        if answer.exit_code not in (0, NO_MATCH) or answer.is_cut:
            raise GitFailed(answer, "config")
        return Repository(self, folder, read_configuration(answer.output), owner)

    async def workspace(self, folder: Path, *, owner: ProcessOwner = SERVER) -> "Repository":
        """Git in a directory that is a repository's own, and does not just lie in one.

        Where the `.git` of a workspace is gone, git would take the next repository above it.

        Raises:
            GitFailed: There is none, or one that git does not trust.
            Conflict: The folder is not there, or is none of its own (`workspace.replaced`).
        """
        repository = await self.repository(folder, owner=owner)
        found = await repository.look("rev-parse", "--is-inside-work-tree", "--show-prefix")
        if found.text != "true":
            raise replaced(folder)
        return repository


class Repository:
    """Git in one folder, by whose programs nothing is run."""

    def __init__(
        self, program: GitProgram, folder: Path, configuration: Configuration, owner: ProcessOwner
    ) -> None:
        self.folder = folder
        self._program = program
        self._configuration = configuration
        self._owner = owner
        self._environment = configuration.overrides() | NO_LFS

    def at(self, folder: Path) -> "Repository":
        """The same repository in another of its worktrees."""
        return Repository(self._program, folder, self._configuration, self._owner)

    @property
    def foreign_filters(self) -> list[str]:
        """Filters of the repository's own that change files, and do not run."""
        return self._configuration.foreign_filters

    @property
    def foreign_merge_drivers(self) -> list[str]:
        """Programs of the repository's own that merge files, and do not run."""
        return self._configuration.foreign_merge_drivers

    @property
    def author(self) -> dict[str, str]:
        """Who commits, where the configuration does not say."""
        found: dict[str, str] = {}
        for role in ("author", "committer"):
            for what, value in (("name", "Open Agent"), ("email", "open-agent@localhost")):
                if {f"user.{what}", f"{role}.{what}"} & self._known:
                    continue
                found[f"GIT_{role.upper()}_{what.upper()}"] = value
        return found

    @property
    def _known(self) -> set[str]:
        return {*self._configuration.users, *self._configuration.repositorys}

    async def ask(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        limits: Limits = LOOKING,
    ) -> Answer:
        """Run a command that only looks; how it ended is in the answer."""
        environment = {**self._environment, **READ_ONLY, **(env or {})}
        return await self._program.call(
            self.folder, arguments, environment, limits=limits, owner=self._owner
        )

    async def look(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        limits: Limits = LOOKING,
    ) -> Answer:
        """Run a command that only looks.

        Raises:
            GitFailed: It could not.
        """
        answer = await self.ask(*arguments, env=env, limits=limits)
        if answer.exit_code != 0 and not (answer.is_cut and limits.stops):
            raise GitFailed(answer, arguments[0])
        return answer

    async def says(self, *arguments: str) -> str | None:
        """What a command that only looks says; nothing when it fails."""
        answer = await self.ask(*arguments)
        return answer.text if answer.exit_code == 0 else None

    async def change(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        limits: Limits = LOOKING,
    ) -> Answer:
        """Run a command that changes something.

        Raises:
            GitFailed: It could not.
        """
        environment = {**self._environment, **(env or {})}
        answer = await self._program.call(
            self.folder, arguments, environment, limits=limits, owner=self._owner
        )
        if answer.exit_code != 0:
            raise GitFailed(answer, arguments[0])
        return answer


def shown(text: str) -> str:
    """What git said, as text that can be stored and sent: a file's name may be any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def without_programs(*leaving: str) -> dict[str, str]:
    """Configuration for git where there is no repository yet, but for some of its keys."""
    kept = {key: value for key, value in FIXED.items() if key not in leaving}
    return kept


def as_environment(configuration: Mapping[str, str]) -> dict[str, str]:
    """Configuration as environment variables, where no command line shows it."""
    variables = {"GIT_CONFIG_COUNT": str(len(configuration))}
    for number, (key, value) in enumerate(configuration.items()):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


async def _follow(process: Process, limits: Limits, hear: Hear | None) -> Answer:
    output, complaint = bytearray(), _Complaint(hear)
    is_cut = False

    async def read_output() -> None:
        nonlocal is_cut
        while data := await process.stdout.read():
            room = limits.kept - len(output)
            output.extend(data[:room])
            if len(data) > room:
                is_cut = True
                if limits.stops:
                    await process.terminate()
                    return

    async def read_complaint() -> None:
        while data := await process.stderr.read():
            complaint.take(data)

    async with anyio.create_task_group() as group:
        group.start_soon(read_output)
        group.start_soon(read_complaint)
    exit_code = await process.wait()
    return Answer(exit_code, bytes(output), is_cut, complaint.text)


class _Complaint:
    """What git says on the side: progress is passed on, and errors are kept."""

    def __init__(self, hear: Hear | None) -> None:
        self._hear = hear
        self._rest = b""
        self._lines: list[str] = []

    def take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = self._rest[-COMPLAINT:]
        for line in lines:
            self._say(line)

    def _say(self, line: bytes) -> None:
        text = from_file(line[:COMPLAINT].decode("utf-8", "replace")).strip()
        if not text:
            return
        if self._hear:
            self._hear(text)
        if "%" not in text and not text.startswith("Cloning into"):
            self._lines = [*self._lines, text][-40:]

    @property
    def text(self) -> str:
        if self._rest:
            self._say(self._rest)
            self._rest = b""
        return "\n".join(self._lines)[-COMPLAINT:]


def replaced(folder: Path) -> Conflict:
    """The error for a workspace whose repository is not the one that was made there."""
    return Conflict(
        "workspace.replaced",
        f"The repository that was made in {folder} is not there any more: its `.git` is gone, or "
        "is another one's. Put it back, or take from there what you need and remove the workspace "
        "with `force`.",
        {"path": str(folder)},
    )


def _gone(folder: Path) -> Conflict:
    return Conflict(
        "workspace.gone",
        f"The directory {folder} is not there any more, or cannot be entered.",
        {"path": str(folder)},
    )
