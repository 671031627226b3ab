"""Workspaces on the command line, beside a running server."""

import json
from pathlib import Path

import pytest

from tests.interaction.cli.rig import Cli
from tests.interaction.requirements import requirement
from tests.interaction.workspaces.rig import git, make_repository

COMMIT = "git add -A && git -c user.name=Agent -c user.email=agent@example.com commit -qm Work"


@pytest.mark.timeout(120)
@requirement("workspaces:commands")
def test_a_worktree_is_worked_in_looked_at_merged_and_removed(served: Cli, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    told = served.call("run", f"do echo two > a.txt && {COMMIT}", "--worktree", str(repository))
    assert "The workspace is ready on branch open-agent/" in told.stdout
    (workspace,) = [each for each in served.json("workspaces") if each["source"] == str(repository)]
    short, mission = workspace["id"][:8], workspace["missions"][0][:8]

    listed = served.call("workspaces").stdout
    assert short in listed
    assert "worktree" in listed
    shown = served.call("workspaces", "show", mission).stdout
    assert "1 commit ahead, 0 behind" in shown
    diff = served.call("workspaces", "diff", short).stdout
    assert "+two" in diff
    assert "a.txt" in served.call("workspaces", "diff", short, "--stat").stdout

    refused = served.call("workspaces", "remove", short, code=1)
    assert "1 commit that is nowhere else" in refused.stderr
    assert "stays when its missions" in served.call("workspaces", "keep", short).stderr
    assert "goes with its last" in served.call("workspaces", "keep", short, "--undo").stderr
    merged = served.call("workspaces", "merge", short)
    assert "main is at" in merged.stderr
    assert (repository / "a.txt").read_text() == "two\n"
    assert "Removed." in served.call("workspaces", "remove", short).stderr
    assert git(repository, "branch", "--list", "open-agent/*") == ""


@pytest.mark.timeout(120)
@requirement("workspaces:commands")
def test_a_clone_is_made_first_and_then_worked_in(served: Cli, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    made = served.call("workspaces", "make", "--clone", str(repository), "--ref", "main")
    workspace = made.stdout.strip()
    told = served.call("run", "do cat a.txt", "--workspace", workspace[:8])
    assert "one" in told.stdout
    failed = served.call("workspaces", "make", "--clone", str(tmp_path / "nothing"), code=None)
    assert failed.returncode == 2
    assert "does not appear to be a git repository" in failed.stderr
    unclear = served.call("run", "do true", "--branch", "x", code=2)
    assert "needs --clone or --worktree" in unclear.stderr
    found = json.loads(served.call("workspaces", "show", workspace, "--json").stdout)
    assert len(found["missions"]) == 1
