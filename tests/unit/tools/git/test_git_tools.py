"""The git tools in ordinary repositories."""

import dataclasses
from pathlib import Path

import anyio
import pytest
from inline_snapshot import snapshot

from open_agent.tools.clipping import SHOWN
from open_agent.tools.definition import FunctionTool, ToolContext, ToolFailed
from open_agent.tools.git.git_commit import git_commit
from open_agent.tools.git.git_diff import git_diff
from open_agent.tools.git.git_log import git_log
from open_agent.tools.git.git_status import git_status
from open_agent.tools.git.running import open_git
from open_agent.workspaces.local import LocalWorkspace
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.calling import call, refusal
from tests.running import gone, started
from tests.unit.tools.git.conftest import Run


async def test_status_shows_the_branch_and_what_has_changed(
    repository: Path, ctx: ToolContext
) -> None:
    clean = (await call(git_status, ctx)).content
    assert "# branch.head main" in clean
    assert clean.endswith("\n\nNothing has changed.")
    (repository / "file").write_text("two\n")
    (repository / "grün").write_text("")
    changed = (await call(git_status, ctx)).content.splitlines()
    assert [line[0] for line in changed] == ["#", "#", "1", "?"]
    assert changed[-1] == "? grün"


async def test_a_repository_elsewhere_is_named_by_its_path(
    repository: Path, git: Run, ctx: ToolContext
) -> None:
    inner = repository / "inner"
    inner.mkdir()
    git("init", "-q", "-b", "other", at=inner)
    assert "# branch.head other" in (await call(git_status, ctx, repo_path="inner")).content
    assert "# branch.head other" in (await call(git_status, ctx, repo_path=str(inner))).content


async def test_diff_shows_what_is_not_staged_or_what_is(
    repository: Path, git: Run, ctx: ToolContext
) -> None:
    assert (await call(git_diff, ctx)).content == "No changes"
    (repository / "file").write_text("two\n")
    (repository / "other").write_text("new\n")
    git("add", "other")
    unstaged = (await call(git_diff, ctx)).content
    assert unstaged == snapshot("""\
diff --git a/file b/file
index 5626abf..f719efd 100644
--- a/file
+++ b/file
@@ -1 +1 @@
-one
+two\
""")
    assert "+new" in (await call(git_diff, ctx, staged=True)).content
    assert (await call(git_diff, ctx, file="other")).content == "No changes"
    assert (await call(git_diff, ctx, file="file")).content == unstaged


async def test_a_long_diff_is_cut_and_all_of_it_can_be_read(
    repository: Path, ctx: ToolContext
) -> None:
    (repository / "file").write_text("".join(f"line {n} — ü\n" for n in range(100_000)))
    output = await call(git_diff, ctx)
    assert len(output.content) < SHOWN + 500
    assert output.spilled
    path = ctx.blobs.path(ctx.mission_id, output.spilled)
    assert str(path) in output.content
    assert "+line 99999 — ü" in path.read_text()


async def test_what_a_diff_holds_cannot_act_on_a_terminal(
    repository: Path, ctx: ToolContext
) -> None:
    """Check 35."""
    (repository / "file").write_bytes(b"\x1b]0;title\x07 \xe2\x80\xae \xff\r\n")
    shown = (await call(git_diff, ctx)).content
    assert "+\\x1b]0;title\\x07 \\u202e \ufffd\\x0d" in shown


async def test_log_shows_the_newest_commits(repository: Path, git: Run, ctx: ToolContext) -> None:
    for number in range(12):
        git("commit", "-q", "--allow-empty", "-m", f"Commit {number}\n\nIts reason.")
    lines = (await call(git_log, ctx)).content.splitlines()
    assert [line.partition("Commit")[2] for line in lines] == [f" {n}" for n in range(11, 1, -1)]
    long = (await call(git_log, ctx, num_commits=1, oneline=False)).content
    assert "Author: Ada <ada@example.org>" in long
    assert "Its reason." in long
    assert "num_commits" in await refusal(git_log, ctx, num_commits=0)


async def test_commit_stages_everything_or_what_is_named(
    repository: Path, git: Run, ctx: ToolContext
) -> None:
    for name in ("file", "a", "b"):
        (repository / name).write_text("two\n")
    (repository / "b").write_text("three\n")
    (repository / "folder").mkdir()
    named = await call(git_commit, ctx, message="Named\n\n# Not a comment", files=["a"])
    assert "1 file changed" in named.content
    assert git("log", "-1", "--format=%B").strip() == "Named\n\n# Not a comment"
    (repository / "a").unlink()
    everything = await call(git_commit, ctx, message="Rest", repo_path="folder")
    assert "3 files changed" in everything.content
    assert git("status", "--porcelain") == ""


async def test_commit_says_when_there_is_nothing_to_commit(
    repository: Path, git: Run, ctx: ToolContext
) -> None:
    before = git("rev-parse", "HEAD")
    said = await call(git_commit, ctx, message="Nothing")
    assert said.content == "Nothing to commit: nothing has changed."
    assert git("rev-parse", "HEAD") == before
    assert await refusal(git_commit, ctx, message=" \n") == "The commit message is empty."
    assert "did not match any files" in await refusal(
        git_commit, ctx, message="x", files=["missing"]
    )


async def test_the_first_commit_of_a_repository_works(
    root: Path, git: Run, ctx: ToolContext
) -> None:
    git("init", "-q", "-b", "main")
    empty = await call(git_commit, ctx, message="First")
    assert empty.content == "Nothing to commit: nothing has changed."
    (root / "file").write_text("one\n")
    assert "1 file changed" in (await call(git_commit, ctx, message="First")).content


async def test_the_author_is_open_agent_only_where_nobody_is_configured(
    repository: Path, git: Run, ctx: ToolContext
) -> None:
    async def author() -> str:
        (repository / "file").write_text((repository / "file").read_text() + "more\n")
        await call(git_commit, ctx, message="Next")
        return git("log", "-1", "--format=%an <%ae>, %cn <%ce>").strip()

    agent = "Open Agent <open-agent@localhost>"
    assert await author() == f"{agent}, {agent}"
    git("config", "user.name", "Grace")
    assert await author() == "Grace <open-agent@localhost>, Grace <open-agent@localhost>"
    git("config", "--global", "user.email", "grace@example.org")
    git("config", "author.email", "pen@example.org")
    assert await author() == "Grace <pen@example.org>, Grace <grace@example.org>"


async def test_new_files_that_look_secret_are_committed_only_by_name(
    repository: Path, git: Run, ctx: ToolContext
) -> None:
    (repository / "deep").mkdir()
    for name in (".env", "deep/Server.PEM", ".env.example", "deep/id_rsa", "plain"):
        (repository / name).write_text("x\n")
    said = (await call(git_commit, ctx, message="All")).content
    assert "hold secrets: .env, deep/Server.PEM, deep/id_rsa." in said
    assert git("ls-files").split() == [".env.example", "file", "plain"]
    again = (await call(git_commit, ctx, message="All")).content
    assert again.startswith("Nothing to commit")
    assert "deep/id_rsa" in again
    await call(git_commit, ctx, message="Secret", files=["deep/id_rsa"])
    (repository / "deep/id_rsa").write_text("y\n")
    await call(git_commit, ctx, message="Known by now")
    assert git("show", "HEAD:deep/id_rsa") == "y\n"


async def test_hooks_are_told_of_and_not_run(repository: Path, git: Run, ctx: ToolContext) -> None:
    (repository / ".husky").mkdir()
    hook = repository / ".husky/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    git("config", "core.hooksPath", ".husky")
    said = (await call(git_commit, ctx, message="With hook")).content
    assert said.endswith("Hooks did not run: pre-commit.")


async def test_a_moved_submodule_is_committed_and_a_dirty_one_is_not(
    repository: Path, git: Run, ctx: ToolContext, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    git("init", "-q", at=source)
    git("commit", "-q", "--allow-empty", "-m", "Inner", at=source)
    for name in ("moved", "dirty ü"):
        git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(source), name)
    await call(git_commit, ctx, message="Submodules")
    git("commit", "-q", "--allow-empty", "-m", "Next", at=repository / "moved")
    (repository / "dirty ü/file").write_text("x\n")
    assert "moved" in (await call(git_status, ctx)).content
    said = (await call(git_commit, ctx, message="Move")).content
    assert "1 file changed" in said
    assert (
        git("ls-tree", "HEAD", "moved").split()[2]
        == git("rev-parse", "HEAD", at=repository / "moved").strip()
    )


TOOLS = [git_status, git_diff, git_log, git_commit]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
async def test_places_without_a_repository_are_refused(
    root: Path, ctx: ToolContext, tool: FunctionTool
) -> None:
    (root / "text").write_text("")
    message = {"message": "x"} if tool is git_commit else {}
    assert "ot a git repository" in await refusal(tool, ctx, **message)
    assert "does not exist" in await refusal(tool, ctx, repo_path="missing", **message)
    assert "is not a directory" in await refusal(tool, ctx, repo_path="text", **message)


async def test_a_machine_without_git_is_told_so(
    ctx: ToolContext, processes: SupervisedProcesses, root: Path
) -> None:
    bare = dataclasses.replace(ctx, workspace=LocalWorkspace(root, processes, {"PATH": str(root)}))
    assert await refusal(git_status, bare) == "git is not installed on this machine."


async def test_git_that_hangs_is_ended_and_leaves_nothing(
    repository: Path, ctx: ToolContext, mark: str, git: Run
) -> None:
    git("config", "--global", "filter.slow.clean", mark)
    (repository / ".gitattributes").write_text("file filter=slow\n")
    (repository / "file").write_text("two\n")
    running = await open_git(ctx, None)
    with anyio.fail_after(4):
        async with anyio.create_task_group() as group:
            group.start_soon(running.change, "add", "-A")
            await started(mark)
            group.cancel_scope.cancel()
        await gone(mark, seconds=3)
    assert not (repository / ".git/index.lock").exists()


async def test_a_question_whose_answer_is_too_long_is_refused(
    repository: Path, ctx: ToolContext
) -> None:
    (repository / "file").write_text("line\n" * 100_000)
    with pytest.raises(ToolFailed, match="Use run_command"):
        await (await open_git(ctx, None)).ask("diff")
