"""Clones: whole or not at all, stopped at once, and nothing of a hostile repository runs."""

import os
import time
from pathlib import Path

from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.requirements import requirement
from tests.interaction.workspaces.conftest import SETTINGS
from tests.interaction.workspaces.rig import GitServer, Place, git, make_repository, play
from tests.running import running

SECRET = "a-token-that-must-not-be-found-0815"


def bare(served: GitServer, name: str = "repo.git") -> str:
    """A bare repository on the server; its address."""
    work = make_repository(served.folder / f"{name}-work")
    git(served.folder, "clone", "-q", "--bare", str(work), name)
    return f"{served.url}/{name}"


def temporary(place: Place) -> list[Path]:
    return list((place.server.working_dir / "workspaces").glob(".making-*"))


@requirement("workspaces:clone:made", "workspaces:made:visible")
def test_a_task_works_in_a_clone(place: Place, git_server: GitServer) -> None:
    url = bare(git_server)
    task, workspace = place.work("run git log --oneline && cat AGENTS.md", url=url)

    root = Path(task["workspace"])
    assert root.name == f"task-{task['id']}"
    assert git(root, "remote", "get-url", "origin") == url
    assert workspace["kind"] == "clone"
    assert workspace["state"] == "ready"
    assert workspace["source"] == url
    assert workspace["branch"] == "main"
    assert workspace["base_commit"] == git(root, "rev-parse", "HEAD")
    assert workspace["missions"] == [task["id"]]
    (awaited,) = place.events(task["id"], "workspace.awaited")
    (prepared,) = place.events(task["id"], "workspace.prepared")
    assert url in awaited["message"]
    assert prepared["instructions"][0]["path"] == "AGENTS.md"
    assert "Be kind to a.txt." in task["result"], "the model has the instructions of the clone"
    assert "clone of" in place.events(task["id"], "notice.given")[0]["content"]


@requirement("workspaces:clone:secret")
def test_credentials_of_an_address_are_used_and_nowhere_to_be_found(
    place: Place, git_server: GitServer
) -> None:
    git_server.password = SECRET
    url = bare(git_server, "private.git")
    with_secret = url.replace("://", f"://anna:{SECRET}@")
    task, workspace = place.work("run git remote -v; env; git config -l", url=with_secret)

    assert workspace["source"] == url
    said = str(place.get(f"/api/missions/{task['id']}/events?after=0&limit=1000"))
    assert SECRET not in said
    assert SECRET not in place.server.output()
    for folder in (place.server.data_dir, Path(task["workspace"])):
        for path in folder.rglob("*"):
            if path.is_file():
                assert SECRET.encode() not in path.read_bytes(), path


@requirement("workspaces:clone:fails", "workspaces:made:again")
def test_a_clone_that_fails_ends_the_run_in_gits_words_and_can_be_tried_again(
    place: Place, tmp_path: Path
) -> None:
    source = tmp_path / "later"
    mission = place.mission(url=f"file://{source}")
    failed = place.say(mission["id"], "run ls")
    assert failed["outcome"] == "failed"
    (end,) = place.events(mission["id"], "run.finished")
    assert end["reason"] == "workspace.clone_failed"
    assert "does not appear to be a git repository" in end["result"]
    assert place.workspace(mission)["state"] == "failed"
    assert "does not appear to be a git repository" in place.workspace(mission)["problem"]
    assert not Path(mission["workspace"]).exists()

    make_repository(source)
    assert place.say(mission["id"], "run cat a.txt")["outcome"] == "succeeded"
    assert place.workspace(mission)["state"] == "ready"
    assert place.workspace(mission)["problem"] is None


@requirement("workspaces:clone:stopped")
def test_a_stop_ends_a_clone_at_once(place: Place, git_server: GitServer) -> None:
    url = bare(git_server)
    git_server.gate.clear()
    git_server.asked.clear()
    task = place.task("run ls", url=url)
    assert git_server.asked.wait(20)
    assert running(git_server.url)
    shown = place.get(f"/api/task/{task}")
    assert place.get(f"/api/workspaces/{shown['workspace_id']}")["state"] == "making"

    began = time.monotonic()
    assert place.ask("POST", f"/api/task/{task}/stop")[0] == 200
    ended = place.done(task)
    assert time.monotonic() - began < 5
    assert ended["status"] == "cancelled"
    assert not running(git_server.url)
    assert not temporary(place)
    assert place.workspace(ended)["state"] == "failed"


@requirement("workspaces:made:crash")
def test_a_clone_that_a_power_cut_has_cut_off_begins_again(
    tmp_path: Path, git_server: GitServer, model_url: str
) -> None:
    url = bare(git_server)
    git_server.gate.clear()
    with ServerProcess(tmp_path / "data", tmp_path / "work", model_url, SETTINGS) as server:
        place = Place(server)
        task = place.task("run cat a.txt", url=url)
        assert git_server.asked.wait(20)
        server.kill()
        git_server.gate.set()
        server.start()
        ended = place.done(task)
        assert ended["status"] == "completed", ended
        assert place.workspace(ended)["state"] == "ready"
        assert not temporary(place)
        assert len(place.events(task, "workspace.prepared")) == 1
        assert git(Path(ended["workspace"]), "status", "--porcelain") == ""


@requirement("workspaces:clone:hostile")
def test_nothing_of_a_hostile_repository_runs(place: Place, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\nexec cat\n")
    program.chmod(0o755)
    source = make_repository(tmp_path / "source")
    (source / ".gitattributes").write_text("*.txt filter=evil diff=evil merge=evil\n")
    (source / ".gitmodules").write_text(
        f'[submodule "evil"]\n\tpath = evil\n\turl = "ext::{program}"\n'
    )
    commit = git(source, "rev-parse", "HEAD")
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{commit},evil")
    git(source, "add", ".gitattributes", ".gitmodules")
    git(source, "commit", "-qm", "Evil")
    for key in (
        "filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "core.fsmonitor",
        "uploadpack.packObjectsHook", "core.sshCommand", "diff.evil.textconv", "core.pager",
        "merge.evil.driver", "core.alternateRefsCommand",
    ):  # fmt: skip
        git(source, "config", key, str(program))
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "post-merge"):
        path = source / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(program.read_text())
        path.chmod(0o755)

    _, clone = place.work("Look.", url=f"file://{source}")
    _, worktree = place.work("Look.", repository=str(source))
    failed = place.done(place.task("Look.", url=f"file://{source}", submodules=True))

    assert clone["state"] == worktree["state"] == "ready"
    assert "Submodules were not fetched" in clone["notes"]
    assert failed["reason"] == "workspace.clone_failed"
    for each in (clone, worktree):
        (Path(each["path"]) / "a.txt").write_text("two\n")
        assert place.get(f"/api/workspaces/{each['id']}/diff")["files"]
        assert place.get(f"/api/workspaces/{each['id']}")["progress"]["uncommitted"]
        assert place.ask("POST", f"/api/workspaces/{each['id']}/merge")[0] == 409
        status, _ = place.ask("DELETE", f"/api/workspaces/{each['id']}?force=true")
        assert status == 200
    assert not canary.exists()


@requirement("workspaces:clone:ref")
def test_a_clone_begins_at_a_branch_a_tag_or_a_commit(place: Place, tmp_path: Path) -> None:
    source = make_repository(tmp_path / "source")
    first = git(source, "rev-parse", "HEAD")
    git(source, "tag", "v1")
    git(source, "checkout", "-qb", "feature/x")
    git(source, "commit", "-q", "--allow-empty", "-m", "Two")
    tip = git(source, "rev-parse", "HEAD")

    for ref, commit, branch in (
        ("feature/x", tip, "feature/x"),
        ("v1", first, None),
        (first, first, None),
    ):
        _, workspace = place.work("Look.", url=str(source), ref=ref)
        assert (workspace["base_commit"], workspace["branch"]) == (commit, branch)
    _, shallow = place.work("Look.", url=f"file://{source}", depth=1, ref="feature/x")
    assert git(Path(shallow["path"]), "rev-list", "--count", "HEAD") == "1"


@requirement("workspaces:clone:bounded")
def test_a_clone_that_becomes_too_large_is_ended(
    place: Place, tmp_path: Path, git_server: GitServer
) -> None:
    source = make_repository(git_server.folder / "large")
    for number in range(12):
        (source / f"{number}.bin").write_bytes(os.urandom(1_000_000))
    git(source, "add", ".")
    git(source, "commit", "-qm", "Large")
    task = place.done(place.task("Look.", url=f"file://{source}"))
    assert (task["status"], task["reason"]) == ("failed", "workspace.too_large")
    made = place.workspace(task)
    assert made["state"] == "failed"
    assert not Path(made["path"]).exists()


@requirement("workspaces:made:first", "workspaces:made:shared")
def test_a_workspace_can_be_made_first_and_given_to_missions(place: Place, tmp_path: Path) -> None:
    source = make_repository(tmp_path / "source")
    status, made = place.ask("POST", "/api/workspaces", {"url": str(source)})
    assert status == 202
    made = place.until(
        lambda: place.get(f"/api/workspaces/{made['id']}"), lambda it: it["state"] == "ready"
    )
    assert made["is_kept"] is True
    first, _ = place.work("run echo first > b.txt", id=made["id"])
    second, shared = place.work("run cat b.txt", id=made["id"])
    assert first["workspace"] == second["workspace"] == made["path"]
    assert shared["missions"] == [second["id"], first["id"]]
    assert not place.events(second["id"], "workspace.awaited")


@requirement("workspaces:clone:guarded")
def test_no_user_of_many_reaches_the_servers_own_network_by_a_clone(
    tmp_path: Path, git_server: GitServer
) -> None:
    url = bare(git_server)
    users = '[{"username": "anna", "password": "a good password"}]'
    settings = SETTINGS | {
        "OPEN_AGENT_USERS": users,
        "JWT_SECRET": "s" * 40,
        "DEV_MODE": "false",
    }
    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, settings) as server,
    ):
        place = Place(server)
        login = {"username": "anna", "password": "a good password"}
        token = place.ask("POST", "/api/auth/login", login)[1]["token"]
        place.headers["Authorization"] = f"Bearer {token}"
        git_server.seen.clear()
        task = place.done(place.task("Look.", url=url))
        assert task["reason"] == "workspace.host_refused"
        assert not git_server.seen

        health = place.get("/api/health")
        assert health["isolation"] == "host"
        assert "share this server's rights" in health["warnings"][0]
        assert server.output().count("share this server's rights") == 2, "logged, and printed"
