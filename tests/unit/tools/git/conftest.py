"""Real repositories, made with the real git."""

import dataclasses
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from open_agent.tools.definition import ToolContext
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.isolations import isolation_of

Run = Callable[..., str]

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory of this test's own: what git is configured with for all repositories."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def git(root: Path, environment: dict[str, str]) -> Run:
    """Run git as its user would: `git("commit", "-m", "…")`, in the working directory."""

    def run(*arguments: str, at: Path = root) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=at, env=environment | IDENTITY, check=True, capture_output=True
        )
        return done.stdout.decode()

    return run


@pytest.fixture
def repository(root: Path, git: Run) -> Path:
    """The working directory, as a repository with one commit of `file`."""
    git("init", "-q", "-b", "main")
    (root / "file").write_text("one\n")
    git("add", "-A")
    git("commit", "-q", "-m", "First")
    return root


@pytest.fixture
async def ctx(
    ctx: ToolContext,
    root: Path,
    processes: SupervisedProcesses,
    environment: dict[str, str],
    isolation_kind: str,
) -> ToolContext:
    """The tools' context, with this test's own home directory."""
    isolation = isolation_of(isolation_kind, processes, environment)
    return dataclasses.replace(ctx, workspace=await isolation.workspace(root))
