"""Check 31: a repository names programs wherever git takes one, and none of them ever runs."""

import contextlib
import subprocess
from pathlib import Path

import pytest

from open_agent.tools.definition import FunctionTool, ToolContext
from open_agent.tools.git.git_commit import git_commit
from open_agent.tools.git.git_diff import git_diff
from open_agent.tools.git.git_log import git_log
from open_agent.tools.git.git_status import git_status
from tests.calling import call, refusal
from tests.unit.tools.git.conftest import Run

HOOKS = (
    "pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-index-change",
    "reference-transaction", "pre-auto-gc", "post-rewrite", "fsmonitor-watchman",
)  # fmt: skip

COMMANDS = {
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "core.editor": "true",
    "core.sshCommand": "false",
    "core.gitProxy": "false",
    "core.askPass": "false",
    "core.alternateRefsCommand": "true",
    "sequence.editor": "true",
    "interactive.diffFilter": "cat",
    "diff.external": "true",
    "diff.evil.textconv": 'cat "$1"',
    "diff.other.command": "true",
    "merge.evil.driver": "false",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "gpg.ssh.defaultKeyCommand": "false",
    "credential.helper": "false",
    "remote.origin.uploadpack": "false",
    "submodule.sub.update": "true",
    "trailer.evil.command": "true",
    "alias.status": "true",
    "pager.log": "cat",
    "pager.diff": "cat",
    "pager.status": "cat",
}
"""Keys that name programs, each with what its program does beside betraying itself."""

SWITCHES = {
    "commit.gpgSign": "true",
    "log.showSignature": "true",
    "format.pretty": "%H %G? %s",
    "diff.submodule": "log",
    "diff.ignoreSubmodules": "none",
    "submodule.sub.ignore": "none",
    "submodule.recurse": "true",
    "status.submoduleSummary": "true",
    "rerere.enabled": "true",
    "rerere.autoUpdate": "true",
    "gc.auto": "1",
    "protocol.ext.allow": "always",
    "core.repositoryFormatVersion": "1",
    "extensions.partialClone": "origin",
    "remote.origin.promisor": "true",
    "remote.origin.url": "ssh://example.org/elsewhere",
}
"""What makes git use them."""

LIVE = {
    "core.fsmonitor", "diff.evil.textconv", "diff.external", "diff.other.command", "gpg.program",
    "hook-pre-commit", "hook-prepare-commit-msg", "hook-commit-msg", "hook-post-commit",
    "hook-post-index-change", "hook-reference-transaction",
    "submodule-filter", "submodule-fsmonitor",
}  # fmt: skip
"""What runs when nobody is careful: these traps are known to work."""

READERS = [git_status, git_diff, git_log]


class Trap:
    """Programs that leave a file behind when they run."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.footprints = folder / "footprints"
        self.programs.mkdir()
        self.footprints.mkdir()

    def program(self, name: str, then: str = "true") -> str:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\ntouch '{self.footprints / name}'\n{then}\n")
        path.chmod(0o755)
        return str(path)

    def set_again(self) -> None:
        """Forget what ran while the repository was made."""
        for path in self.footprints.iterdir():
            path.unlink()

    @property
    def sprung(self) -> set[str]:
        return {path.name for path in self.footprints.iterdir()}


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


@pytest.fixture
def hostile(repository: Path, git: Run, trap: Trap, tmp_path: Path) -> Path:
    """A repository with a trap at every place but filters, which commits are refused for."""
    make_submodule(repository, git, trap, tmp_path)
    (repository / ".gitattributes").write_text("* diff=evil merge=evil\nother diff=other\n")
    (repository / "other").write_text("one\n")
    git("add", "-A")
    git("commit", "-q", "-m", "Attributes")
    make_signed_commit(git)
    leave_conflict(repository, git)
    for name in HOOKS:
        program = trap.program(f"hook-{name}")
        (repository / ".git/hooks" / name).symlink_to(program)
    for key, then in COMMANDS.items():
        git("config", key, trap.program(key, then))
    for key, value in SWITCHES.items():
        git("config", key, value)
    (repository / "file").write_text("two\n")
    (repository / "other").write_text("two\n")
    (repository / "new").write_text("new\n")
    trap.set_again()
    return repository


def make_submodule(repository: Path, git: Run, trap: Trap, tmp_path: Path) -> None:
    """One whose own configuration has a filter, and a file whose change only that could tell."""
    source = tmp_path / "source"
    source.mkdir()
    git("init", "-q", at=source)
    (source / "inner").write_text("1\n")
    (source / ".gitattributes").write_text("inner filter=evil diff=evil\n")
    git("add", "-A", at=source)
    git("commit", "-q", "-m", "Inner", at=source)
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(source), "sub")
    git("commit", "-q", "-m", "Submodule")
    sub = repository / "sub"
    git("config", "filter.evil.clean", trap.program("submodule-filter", "cat"), at=sub)
    git("config", "core.fsmonitor", trap.program("submodule-fsmonitor", "false"), at=sub)
    git("config", "diff.external", trap.program("submodule-diff", "true"), at=sub)
    (sub / "inner").write_text("2\n")


def make_signed_commit(git: Run) -> None:
    """A commit that claims to be signed, so that showing it may ask for a check."""
    head = git("cat-file", "commit", "HEAD")
    headers, _, message = head.partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    path = Path(git("rev-parse", "--absolute-git-dir").strip()) / "signed"
    path.write_text(f"{headers}\n{signature}\n\n{message}")
    git("reset", "-q", "--soft", git("hash-object", "-t", "commit", "-w", str(path)).strip())


def leave_conflict(repository: Path, git: Run) -> None:
    """Make a merge that waits for its conflict to be resolved."""
    git("checkout", "-q", "-b", "side", "HEAD~")
    (repository / "file").write_text("side\n")
    git("commit", "-q", "-m", "Side", "--", "file")
    git("checkout", "-q", "main")
    (repository / "file").write_text("main\n")
    git("commit", "-q", "-m", "Main", "--", "file")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "-q", "side")


def provoke(git: Run, *arguments: str) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        git(*arguments)


def test_the_traps_spring_for_git_as_usually_called(hostile: Path, git: Run, trap: Trap) -> None:
    for command in (
        ("status",),
        ("diff",),
        ("log",),
        ("add", "-A"),
        ("commit", "-m", "Two"),
        ("-c", "commit.gpgSign=false", "commit", "-m", "Two"),
    ):
        provoke(git, *command)
    assert trap.sprung >= LIVE


@pytest.mark.parametrize("tool", READERS, ids=lambda tool: tool.name)
async def test_looking_at_a_hostile_repository_runs_nothing(
    hostile: Path, trap: Trap, ctx: ToolContext, tool: FunctionTool
) -> None:
    assert (await call(tool, ctx)).content
    assert trap.sprung == set()


async def test_committing_in_a_hostile_repository_runs_nothing(
    hostile: Path, trap: Trap, ctx: ToolContext, git: Run
) -> None:
    output = await call(git_commit, ctx, message="Two")
    assert trap.sprung == set()
    assert "Hooks did not run" in output.content
    assert git("-c", "log.showSignature=false", "show", "HEAD:file") == "two\n"
    trap.set_again()
    again = await call(git_commit, ctx, message="Three")
    assert again.content.startswith("Nothing to commit")
    assert trap.sprung == set()


FILTERS = {
    "clean": ("filter.evil.clean", "cat"),
    "process": ("filter.evil.process", "false"),
    "odd name": ('filter.Evil = " . name.clean', "cat"),
}


@pytest.mark.parametrize("which", FILTERS)
async def test_filters_of_a_repository_never_run_and_commits_say_so(
    repository: Path, git: Run, trap: Trap, ctx: ToolContext, which: str
) -> None:
    key, then = FILTERS[which]
    name = key.removeprefix("filter.").rpartition(".")[0]
    (repository / ".git/info/attributes").write_text("file filter=evil\n")
    git("config", key, trap.program(which, then))
    git("config", f"filter.{name}.required", "true")
    (repository / "file").write_text("two\n")
    for tool in (git_status, git_diff):
        assert name in (await call(tool, ctx)).content.replace("\\", "")
    assert name in await refusal(git_commit, ctx, message="Two")
    assert trap.sprung == set()
    provoke(git, "add", "file")
    assert trap.sprung == (set() if which == "odd name" else {which})


async def test_filters_are_found_wherever_the_repository_configures_them(
    repository: Path, git: Run, trap: Trap, ctx: ToolContext
) -> None:
    (repository / ".git/info/attributes").write_text("file filter=included filter=of-worktree\n")
    (repository / "more").write_text(f'[filter "included"]\nclean = {trap.program("included")}\n')
    git("config", "include.path", "../more")
    git("config", "extensions.worktreeConfig", "true")
    git("config", "--worktree", "filter.of-worktree.clean", trap.program("of-worktree"))
    (repository / "file").write_text("two\n")
    assert "included, of-worktree" in await refusal(git_commit, ctx, message="Two")
    assert "+two" in (await call(git_diff, ctx)).content
    assert trap.sprung == set()


async def test_filters_that_the_user_has_for_all_repositories_run(
    repository: Path, git: Run, trap: Trap, ctx: ToolContext
) -> None:
    git("config", "--global", "filter.mine.clean", trap.program("mine", "tr a-z A-Z"))
    git("config", "filter.mine.required", "true")
    (repository / ".gitattributes").write_text("file filter=mine\n")
    (repository / "file").write_text("two\n")
    await call(git_commit, ctx, message="Two")
    assert git("show", "HEAD:file") == "TWO\n"


async def test_a_repository_cannot_replace_a_filter_of_the_users(
    repository: Path, git: Run, trap: Trap, ctx: ToolContext
) -> None:
    git("config", "--global", "filter.mine.clean", "tr a-z A-Z")
    git("config", "filter.mine.clean", trap.program("mine", "cat"))
    (repository / ".gitattributes").write_text("file filter=mine\n")
    (repository / "file").write_text("two\n")
    assert "+TWO" in (await call(git_diff, ctx)).content
    assert "mine" in await refusal(git_commit, ctx, message="Two")
    assert trap.sprung == set()


@pytest.mark.parametrize(
    "url", ["ssh://example.org/x", "ext::{program} %S /", "git://127.0.0.1:1/"]
)
async def test_missing_objects_are_not_fetched(
    repository: Path, git: Run, trap: Trap, ctx: ToolContext, url: str
) -> None:
    program = trap.program("transport", "false")
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": url.format(program=program),
        "core.sshCommand": program,
        "core.gitProxy": program,
        "protocol.ext.allow": "always",
        "protocol.git.allow": "always",
    }.items():
        git("config", key, value)
    blob = git("rev-parse", "HEAD:file").strip()
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (repository / "file").write_text("two\n")
    assert "Git error" in await refusal(git_diff, ctx)
    assert "Git error" in await refusal(git_commit, ctx, message="Two")
    await call(git_log, ctx)
    assert trap.sprung == set()
    provoke(git, "diff", "HEAD~")
    assert trap.sprung == {"transport"}


async def test_a_bare_repository_hidden_in_a_folder_runs_nothing(
    root: Path, git: Run, trap: Trap, ctx: ToolContext
) -> None:
    hidden = root / "docs"
    git("init", "-q", "--bare", str(hidden))
    git("config", "core.worktree", str(root), at=hidden)
    git("config", "core.bare", "false", at=hidden)
    git("config", "core.fsmonitor", trap.program("monitor", "false"), at=hidden)
    git("config", "alias.status", "!" + trap.program("alias"), at=hidden)
    await call(git_status, ctx, repo_path="docs")
    assert trap.sprung == set()
    provoke(lambda *arguments: git(*arguments, at=hidden), "status")
    assert trap.sprung == {"monitor"}


async def test_options_are_not_taken_from_arguments(
    repository: Path, trap: Trap, ctx: ToolContext
) -> None:
    program = trap.program("option")
    (repository / "file").write_text("two\n")
    written = await call(git_diff, ctx, file=f"--output={trap.footprints / 'written'}")
    assert written.content == "No changes"
    await refusal(git_commit, ctx, message="Two", files=[f"--chmod=+x={program}"])
    await call(git_commit, ctx, message="--amend", files=["file"])
    assert "--amend" in (await call(git_log, ctx)).content
    assert trap.sprung == set()


async def test_a_configuration_without_end_is_refused(repository: Path, ctx: ToolContext) -> None:
    with (repository / ".git/config").open("a") as config:
        for number in range(20_000):
            config.write(f'[filter "{number}"]\nclean = true\n')
    assert "names programs in more than" in await refusal(git_status, ctx)
